# CRIU's own Python client: dumps and restores a process, and looks at how a failure arrives.
# Arguments: "service" or "swrk"; the socket, or the program to start; pid; directory of the images.
import errno
import os
import sys

import pycriu


def client():
    criu = pycriu.criu()
    if sys.argv[1] == "service":
        criu.use_sk(sys.argv[2])
    else:
        criu.use_binary(sys.argv[2])
    criu.opts.images_dir_fd = os.open(sys.argv[4], os.O_DIRECTORY)
    return criu


client().check()
print("checked")

missing = client()
missing.opts.pid = 4194303
try:
    missing.dump()
except pycriu.CRIUExceptionExternal as failure:
    assert failure.errno == errno.ESRCH, failure
    print("refused")

dump = client()
dump.opts.pid = int(sys.argv[3])
dump.opts.leave_running = True
dump.dump()
print("left running")
dump = client()
dump.opts.pid = int(sys.argv[3])
dump.dump()
print("dumped")
while os.path.exists("/proc/" + sys.argv[3]):
    pass
restore = client()
print("restored", restore.restore().pid, flush=True)
