"""What a measurement runs on: NATS and Redis in containers, three nodes as processes or as containers, and the
promise that all of it is gone afterwards. Containers are found by id, processes by handle; nothing else is touched."""

import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# As long as the names that compose gives: they are part of keys and entries, and of what an order takes in Redis.
NODES = ("catga-cluster-node-1-1", "catga-cluster-node-2-1", "catga-cluster-node-3-1")
LABEL = "catga.owner=throughput"
# As docker-compose.yml has it.
REDIS = ("redis-server", "--dir", "/data", "--appendonly", "yes", "--auto-aof-rewrite-min-size", "128mb", "--auto-aof-rewrite-percentage", "200",
         "--rdbcompression", "no", "--hash-max-listpack-value", "1024", "--save", "", "--maxmemory-policy", "noeviction", "--protected-mode", "no")
NATS = ("nats-server", "-js", "-sd", "/data")
TICK = os.sysconf("SC_CLK_TCK")


def docker(*words, check=True):
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    if check and done.returncode != 0:
        raise SystemExit(f"docker {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, seconds, probe):
    """Polls until `probe` gives something true; says what it last saw otherwise."""
    deadline, seen = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            seen = probe()
            if seen:
                return seen
        except OSError as error:
            seen = error
        time.sleep(0.005)
    raise SystemExit(f"{what}: not within {seconds} s; last seen: {seen}")


def images():
    """The images that `cargo run -p harness -- images` left in .env, or the environment's."""
    env = ROOT / ".env"
    kept = dict(re.findall(r"^(CATGA_\w+_IMAGE)=(.+)$", env.read_text(), re.M)) if env.exists() else {}
    names = {name: os.environ.get(name, kept.get(name)) for name in ("CATGA_REDIS_IMAGE", "CATGA_NATS_IMAGE", "CATGA_NODE_IMAGE")}
    if not (names["CATGA_REDIS_IMAGE"] and names["CATGA_NATS_IMAGE"]):
        raise SystemExit("no images: run `cargo run -p harness -- images` first, or name them in CATGA_REDIS_IMAGE and CATGA_NATS_IMAGE")
    return names


class Redis:
    """A client of just what is needed."""

    def __init__(self, port):
        self.stream = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.file = self.stream.makefile("rb")

    def __call__(self, *words):
        parts = [str(word).encode() for word in words]
        self.stream.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise OSError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest.decode()
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        raise OSError(f"redis answered {line!r}")

    def info(self, section):
        return dict(line.split(":", 1) for line in self("INFO", section).splitlines() if ":" in line)


class Cluster:
    """Three nodes with a NATS and a Redis of their own. `published` puts the nodes behind published ports."""

    def __init__(self, appendfsync, node, published=False):
        self.names, self.published, self.appendfsync = images(), published, appendfsync
        self.binary = node or str(target() / "release" / "node")
        self.containers, self.network, self.processes, self.ports = [], None, {}, {}
        self.bench = f"throughput-bench-{os.getpid()}"
        self.scratch = tempfile.TemporaryDirectory(prefix="throughput-")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        if self.published:
            self.network = docker("network", "create", "--label", LABEL, f"throughput-{os.getpid()}")
        self.redis_port = self.container("redis", "CATGA_REDIS_IMAGE", 6379, (*REDIS, "--appendfsync", self.appendfsync), "--bind", "--port")
        self.nats_port = self.container("nats", "CATGA_NATS_IMAGE", 4222, NATS, "-a", "-p")
        self.redis = wait_for("redis answers", 20, lambda: Redis(self.redis_port))
        wait_for("redis is up", 20, lambda: self.redis("PING") == "PONG")
        wait_for("nats listens", 20, lambda: socket.create_connection(("127.0.0.1", self.nats_port)))
        self.ready_ms = [self.start_node(node) for node in NODES]

    def container(self, name, image, port, command, address, port_option):
        """Runs a service on the host's loopback, or on a published port; returns the port."""
        words = ["run", "-d", "--rm", "--label", LABEL, "--mount", "type=volume,target=/data", "--user", "0:0"]
        if self.published:
            words += ["--network", self.network, "--network-alias", name, "-p", f"127.0.0.1::{port}", self.names[image], *command]
            self.containers.append(docker(*words))
            return int(docker("port", self.containers[-1], str(port)).splitlines()[0].rsplit(":", 1)[1])
        port = free_port()
        words += ["--network", "host", self.names[image], *command, address, "127.0.0.1", port_option, str(port)]
        self.containers.append(docker(*words))
        return port

    def start_node(self, node):
        """Starts a node; returns the milliseconds until it was ready."""
        begun = time.monotonic()
        if self.published:
            if not self.names["CATGA_NODE_IMAGE"]:
                raise SystemExit("no image of the node: run `cargo run -p harness -- images` first")
            container = docker("run", "-d", "--rm", "--label", LABEL, "--network", self.network, "-p", "127.0.0.1::8080",
                               "-e", f"CATGA_NODE_ID={node}", "-e", "CATGA_REDIS_URL=redis://redis:6379",
                               "-e", "CATGA_NATS_URL=nats://nats:4222", self.names["CATGA_NODE_IMAGE"])
            self.containers.append(container)
            self.ports[node] = int(docker("port", container, "8080").splitlines()[0].rsplit(":", 1)[1])
        else:
            self.ports[node] = free_port()
            settings = {"CATGA_LISTEN": f"127.0.0.1:{self.ports[node]}", "CATGA_NODE_ID": node,
                        "CATGA_REDIS_URL": f"redis://127.0.0.1:{self.redis_port}",
                        "CATGA_NATS_URL": f"nats://127.0.0.1:{self.nats_port}", "MALLOC_ARENA_MAX": "2"}
            log = open(pathlib.Path(self.scratch.name) / f"{node}.log", "wb")
            self.processes[node] = subprocess.Popen([self.binary], env=settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                    start_new_session=True)
        wait_for(f"{node} is ready", 20, lambda: self.is_ready(node))
        return (time.monotonic() - begun) * 1000

    def is_ready(self, node):
        try:
            with urllib.request.urlopen(f"http://{self.address(node)}/health/ready", timeout=2) as answer:
                return json.load(answer)["status"] == "up"
        except urllib.error.HTTPError:
            return False

    def address(self, node):
        return f"127.0.0.1:{self.ports[node]}"

    def cpu(self):
        """Seconds of processor time that each process has had, and all of our own children that have ended."""
        pids = {node: process.pid for node, process in self.processes.items()}
        for name, container in zip(("redis", "nats", *NODES), self.containers):
            pids[name] = int(docker("inspect", "-f", "{{.State.Pid}}", container))
        children = os.times()
        return {name: cpu_of(pid) for name, pid in pids.items()} | {"load": children.children_user + children.children_system}

    def memory_mib(self, node):
        status = pathlib.Path(f"/proc/{self.processes[node].pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def depth(self):
        return self.redis("ZCARD", "catga:outbox:pending")

    def applied(self):
        """How many orders each node has applied."""
        return [int(self.redis("GET", f"catga:projection:{node}:position") or 0) for node in NODES]

    def stop(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        # A reference that was interrupted would go on for some seconds.
        docker("rm", "-f", "-v", self.bench, *self.containers, check=False)
        if self.network:
            docker("network", "rm", self.network, check=False)
        self.scratch.cleanup()


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def target():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
