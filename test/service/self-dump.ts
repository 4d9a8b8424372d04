// A program in Python that dumps itself through the service at argv[1] into the directory argv[2], and says what it gets for an answer.
export const selfDump = `
import os, socket, sys
images = os.open(sys.argv[2], os.O_RDONLY)
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as service:
    service.connect(sys.argv[1])
    options = bytes([0x08, images]) + (b"\\x18\\x01" if sys.argv[3] == "run" else b"")
    print("ready", flush=True)
    service.send(b"\\x08\\x01\\x12" + bytes([len(options)]) + options)
    while answer := service.recv(4096):
        print("answer", answer.hex(), flush=True)
print("closed", flush=True)
`;
