"""Runs a program in a terminal: terminal.py ROWS COLUMNS PROGRAM ARGUMENTS...

Input goes to the program as if typed. A line that begins with a zero byte resizes the terminal: "\\0ROWS COLUMNS\\n".
Ends with the program's exit code.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


child, terminal = pty.fork()
if child == 0:
    # The parent sets the size before it lets the program start.
    sys.stdin.readline()
    os.execvp(sys.argv[3], sys.argv[3:])
resize(terminal, int(sys.argv[1]), int(sys.argv[2]))
os.write(terminal, b"\n")

inputs = [0, terminal]
while terminal in inputs:
    ready, _, _ = select.select(inputs, [], [])
    if terminal in ready:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            data = b""
        if data:
            os.write(1, data)
        else:
            inputs.remove(terminal)
    if 0 in ready:
        data = os.read(0, 4096)
        if not data:
            inputs.remove(0)
        elif data.startswith(b"\0"):
            rows, columns = data[1:].split()
            resize(terminal, int(rows), int(columns))
        else:
            os.write(terminal, data)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
