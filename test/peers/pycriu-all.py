# What CRIU's Python library makes of each image of a directory, as JSON: its magic, and whether it writes the same bytes.
import io
import json
import os
import sys

from pycriu import images


def look(path):
    with open(path, "rb") as file:
        original = file.read()
    try:
        image = images.load(io.BytesIO(original))
    except Exception as error:
        return {"error": repr(error)}
    result = {"magic": image["magic"], "entries": len(image["entries"])}
    again = io.BytesIO()
    try:
        images.dump(image, again)
        result["same"] = again.getvalue() == original
    except Exception as error:
        result["cannotWrite"] = repr(error)
    return result


print(json.dumps({name: look(os.path.join(sys.argv[1], name)) for name in os.listdir(sys.argv[1])}))
