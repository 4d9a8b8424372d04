# What crit decode and crit decode --pretty print of each image of a directory, as one JSON object.
import json
import os
import sys

from pycriu import images

result = {}
for name in sorted(os.listdir(sys.argv[1])):
    texts = []
    for pretty in (False, True):
        with open(os.path.join(sys.argv[1], name), "rb") as file:
            try:
                image = images.load(file, pretty)
            except Exception:
                break
            texts.append(json.dumps(image, indent=4 if pretty else None))
    if len(texts) == 2:
        result[name] = texts
print(json.dumps(result))
