"""Runs a command and writes every frame that crosses the loopback interface meanwhile: capture.py FILE COMMAND…

Meant for a network namespace of its own, whose loopback interface it brings up. A frame of its own, "capture.py is listening", comes
first, so that who reads the file knows that it is not blind. Ends with the command's exit code; with 70 if frames were lost.
"""

import fcntl
import select
import socket
import struct
import subprocess
import sys

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 263, 6, 33
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP_RUNNING))
frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
try:
    frames.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
except PermissionError:
    frames.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
frames.bind(("lo", 0))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as canary:
    canary.sendto(b"capture.py is listening", ("127.0.0.1", 9))

with open(sys.argv[1], "wb") as out:
    child = subprocess.Popen(sys.argv[2:])
    while True:
        ended = child.poll() is not None
        while select.select([frames], [], [], 0.02)[0]:
            out.write(frames.recv(1 << 17))
        if ended:
            break
received, lost = struct.unpack("II", frames.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
sys.exit(70 if lost else child.returncode)
