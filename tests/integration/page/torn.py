"""A bad line to the server: the first connection that asks for a certain file is reset."""

import socket
import struct
import threading


def serve(address, file):
    """Returns the address of a relay to `address`."""
    host, port = address.removeprefix("http://").split(":")
    listening = socket.create_server(("127.0.0.1", 0))
    name = f"127.0.0.1:{listening.getsockname()[1]}"
    torn = threading.Event()

    def pass_on(source, sink):
        try:
            while data := source.recv(65536):
                if f"GET {file} ".encode() in data and not torn.is_set():
                    torn.set()
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                # the server answers under its own name alone
                sink.sendall(data.replace(f"Host: {name}".encode(), f"Host: {host}:{port}".encode()))
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def accept():
        while True:
            client, _ = listening.accept()
            server = socket.create_connection((host, int(port)))
            for ends in ((client, server), (server, client)):
                threading.Thread(target=pass_on, args=ends, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"http://{name}", torn
