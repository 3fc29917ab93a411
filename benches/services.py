"""What the durability measurement speaks to: containers, Redis, NATS and the node, by sockets and the standard library."""

import json
import os
import random
import select
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LABEL = "catga.owner=durability"


def image(variable):
    """An image by its name in the environment or in `.env`, as `cargo run -p harness -- images` writes it."""
    if os.environ.get(variable):
        return os.environ[variable]
    path = ROOT / ".env"
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith(variable + "="):
            return line.split("=", 1)[1]
    raise SystemExit(f"no image is known as {variable}: run `cargo run -p harness -- images`")


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(what, limit, probe):
    """Waits until the probe gives something; on expiry says what was waited for and what came last."""
    end, last = time.monotonic() + limit, None
    while time.monotonic() < end:
        try:
            found = probe()
            if found:
                return found
            last = found
        except (OSError, RuntimeError) as error:
            last = error
        time.sleep(0.02)
    raise SystemExit(f"{what}: not in {limit} s; last seen: {last!r}")


class Container:
    """A service with a volume of its own, on a port of the loopback; gone at the end of its block."""

    def __init__(self, variable, command, conf=None):
        self.image, self.port = image(variable), free_port()
        self.volume = docker("volume", "create", "--label", LABEL)
        words = [word.format(port=self.port) for word in command]
        # As root on the host's network, so that no proxy in between costs anything; it listens on loopback alone.
        options = ["--label", LABEL, "--network", "host", "--user", "0:0", "-v", f"{self.volume}:/data"]
        self.id = docker("create", *options, self.image, *words)
        if conf:
            with tempfile.TemporaryDirectory(prefix="durability-") as folder:
                path = Path(folder) / "service.conf"
                path.write_text(conf.format(port=self.port))
                docker("cp", str(path), f"{self.id}:/service.conf")
        self.noise = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.quiet()
        docker("rm", "-f", self.id)
        docker("volume", "rm", "-f", self.volume)

    def start(self):
        docker("start", self.id)
        self.process = int(docker("inspect", "-f", "{{.State.Pid}}", self.id))

    def kill(self):
        """SIGKILL; straight to the process where it can be seen from here, for the engine takes a tenth of a second."""
        try:
            # The control group names the container, so that no other process is ever met.
            ours = self.id in Path(f"/proc/{self.process}/cgroup").read_text()
        except OSError:
            ours = False
        if ours:
            os.kill(self.process, signal.SIGKILL)
        else:
            docker("kill", "-s", "KILL", self.id)
        docker("wait", self.id)

    def load_the_disk(self, writers):
        """Programs that write and fsync large files in the same volume, for as long as the container lives or until `quiet`."""
        loop = "while :; do dd if=/dev/zero of=/data/noise-$0 bs=1M count=96 conv=fsync 2>/dev/null; done"
        for index in range(writers):
            options = ["--label", LABEL, "-v", f"{self.volume}:/data", "--user", "0:0"]
            self.noise.append(docker("run", "-d", *options, self.image, "sh", "-c", loop, str(index)))

    def quiet(self):
        for noise in self.noise:
            docker("rm", "-f", noise)
        self.noise = []


class Redis:
    """One connection; commands in pipelines."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def ask(self, *commands):
        parts = []
        for command in commands:
            words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
            parts.append(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        self.socket.sendall(b"".join(parts))
        return [self.reply() for _ in commands]

    def reply(self):
        line = self.file.readline()
        if not line:
            raise OSError("redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest


def redis_is_up(port):
    return wait("redis answers", 60, lambda: Redis(port).ask(["PING"]) == [b"PONG"])


class Node:
    """The node, with a NATS that never answers, so that Redis alone holds what is accepted."""

    def __init__(self, binary, redis_port):
        self.port = free_port()
        environment = {
            "CATGA_LISTEN": f"127.0.0.1:{self.port}", "CATGA_NODE_ID": "n1", "CATGA_LOG": "error",
            "CATGA_REDIS_URL": f"redis://127.0.0.1:{redis_port}", "CATGA_NATS_URL": f"nats://127.0.0.1:{free_port()}",
            "CATGA_OUTBOX_LIMIT": "1000000000",
        }
        self.process = subprocess.Popen([str(binary)], env=environment, stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def accepts(self):
        def ready():
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as stream:
                stream.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return stream.recv(64).startswith(b"HTTP/1.1 200")

        return wait("the node accepts orders", 30, ready)


class Load:
    """A closed loop over some connections: each sends its next order when the one before is answered."""

    def __init__(self, port, connections):
        self.port, self.connections, self.count = port, connections, 0
        self.nonce = f"{random.getrandbits(48):x}"
        self.acknowledged, self.latencies, self.others = [], [], 0

    def run(self, seconds, stop=None):
        """Sends for so long, or until `stop` is set; returns how long that was."""
        poll, streams = select.epoll(), {}
        begun = time.perf_counter()
        end = begun + seconds
        while (now := time.perf_counter()) < end and not (stop and stop.is_set()):
            while len(streams) < self.connections:
                try:
                    stream = socket.create_connection(("127.0.0.1", self.port), timeout=2)
                except OSError:
                    break
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                poll.register(stream.fileno(), select.EPOLLIN)
                streams[stream.fileno()] = [stream, None, None]
                self.send(streams[stream.fileno()])
            for number, _ in poll.poll(min(0.05, end - now)):
                entry = streams[number]
                try:
                    answer = entry[0].recv(4096)
                    if answer.startswith(b"HTTP/1.1 201"):
                        self.acknowledged.append(entry[1])
                        self.latencies.append(time.perf_counter() - entry[2])
                    elif answer:
                        self.others += 1
                    if answer:
                        self.send(entry)
                        continue
                except OSError:
                    pass
                poll.unregister(number)
                streams.pop(number)[0].close()
        took = time.perf_counter() - begun
        for entry in streams.values():
            entry[0].close()
        poll.close()
        return took

    def send(self, entry):
        self.count += 1
        entry[1] = b"%s-%d" % (self.nonce.encode(), self.count)
        body = b'{"orderId":"%s","customerId":"customer-%d","amount":%d.25}' % (entry[1], self.count % 1000, 1 + self.count % 99)
        head = b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        entry[2] = time.perf_counter()
        entry[0].sendall(head + body)


class Nats:
    """One connection that publishes into a stream of its own in windows, and counts acknowledgements."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.socket.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB _INBOX.d.* 1\r\nPING\r\n')
        while (line := self.file.readline()) != b"PONG\r\n":
            if not line:
                raise OSError("nats closed the connection")

    def message(self):
        while True:
            line = self.file.readline()
            if not line:
                raise OSError("nats closed the connection")
            if line.startswith(b"MSG"):
                length = int(line.split()[-1])
                return json.loads(self.file.read(length + 2)[:length])
            if line.startswith(b"PING"):
                self.socket.sendall(b"PONG\r\n")

    def request(self, subject, body=b""):
        self.socket.sendall(b"PUB %s _INBOX.d.r %d\r\n%s\r\n" % (subject, len(body), body))
        return self.message()

    def make_stream(self):
        config = json.dumps({"name": "D", "subjects": ["d.>"], "storage": "file", "retention": "limits", "num_replicas": 1}).encode()
        answer = self.request(b"$JS.API.STREAM.CREATE.D", config)
        if "error" in answer:
            raise RuntimeError(answer["error"])

    def state(self):
        answer = self.request(b"$JS.API.STREAM.INFO.D")
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["state"]

    def publish(self, seconds, window, payload):
        """Publishes for so long or until the connection ends; returns acknowledged messages, the highest sequence, the time taken."""
        one = b"PUB d.x _INBOX.d.a %d\r\n%s\r\n" % (len(payload), payload)
        begun, acknowledged, highest = time.perf_counter(), 0, 0
        try:
            self.socket.sendall(one * window)
            while time.perf_counter() - begun < seconds:
                ack = self.message()
                if "error" in ack:
                    raise RuntimeError(ack["error"])
                acknowledged, highest = acknowledged + 1, max(highest, ack["seq"])
                self.socket.sendall(one)
        except OSError:
            pass
        return acknowledged, highest, time.perf_counter() - begun
