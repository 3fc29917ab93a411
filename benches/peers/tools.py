"""The load generators that are compared: how each is had, told what to do, and understood."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "throughput"))
from services import ROOT, target  # noqa: E402

HERE = target() / "peers"
OHA, LOCUST = "1.16.0", "2.47.0"
BODY = '{"orderId":"%s","customerId":"customer-1","amount":9.75}'
# Every user waits for its answer, then takes its next turn of the rate at once if that is overdue.
LOCUSTFILE = """
import itertools, os
from locust import FastHttpUser, constant, constant_throughput, task
numbers = itertools.count()

class Client(FastHttpUser):
    wait_time = {wait}

    @task
    def ask(self):
        {ask}
"""
GET = 'self.client.get("/health")'
POST = ('self.client.post("/api/orders", json={"orderId": f"locust-{os.getpid()}-{next(numbers)}", "customerId": "customer-1", '
        '"amount": 9.75})')


class Missing(Exception):
    """A peer that cannot be had here, and why."""


class Load:
    """GET /health as fast as answers come, or POST /api/orders at a rate; of one length, to one address, over so many connections."""

    def __init__(self, url, seconds, users, rate=None):
        self.url, self.seconds, self.users, self.rate = url, seconds, users, rate


@functools.cache
def ahead():
    """Ours goes ahead of the node where it may, so all do."""
    real_time = ["chrt", "--rr", "1"]
    may = shutil.which("chrt") and subprocess.run([*real_time, "true"], stderr=subprocess.DEVNULL).returncode == 0
    return real_time if may else ["nice", "-n", "-15"]


def ended(words):
    """Runs a program to its end; its output, and the seconds of processor time that it took."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([*ahead(), *map(str, words)], stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=tempfile.gettempdir())
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = [stream.seek(0) or stream.read().decode(errors="replace") for stream in (out, err)]
    # locust says by 1 that some requests failed, which is counted anyway.
    if process.returncode not in (0, 1):
        raise SystemExit(f"{words[0]} ended with {process.returncode}: {texts[1].strip() or texts[0].strip()}")
    return texts[0], usage.ru_utime + usage.ru_stime


def milliseconds(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(value) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def from_debian(name):
    if shutil.which(name):
        return
    need = f". {ROOT}/.ci/need && need {name} {name}"
    done = subprocess.run(["bash", "-c", need], capture_output=True, text=True)
    if done.returncode or not shutil.which(name):
        raise Missing((done.stderr.strip().splitlines() or ["apt-get gave no reason"])[-1])


class Wrk:
    name, keeps_a_rate = "wrk", False

    def get(self):
        from_debian("wrk")

    def run(self, load):
        words = ["wrk", "-t1", f"-c{load.users}", f"-d{load.seconds}s", "--latency", "--timeout", "10s"]
        if load.rate is None:
            text, cpu = ended([*words, f"{load.url}/health"])
        else:
            with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
                script.write(f"wrk.method, wrk.body = 'POST', '{BODY % f'wrk-{time.time_ns()}'}'\nwrk.headers['Content-Type'] = 'application/json'\n")
                script.flush()
                text, cpu = ended([*words, "-s", script.name, f"{load.url}/api/orders"])
        found = {percent: milliseconds(value) for percent, value in re.findall(r"^\s+(50|99)%\s+(\S+)\s*$", text, re.M)}
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
        return {"requests": int(re.search(r"(\d+) requests in", text).group(1)), "rate": rate, "p50_ms": found["50"], "p99_ms": found["99"], "cpu": cpu}


class Hey:
    name, keeps_a_rate = "hey", True

    def get(self):
        from_debian("hey")

    def run(self, load):
        words = ["hey", "-z", f"{load.seconds}s", "-c", load.users, "-t", 10]
        if load.rate is None:
            text, cpu = ended([*words, f"{load.url}/health"])
        else:
            # Its rate is one for each connection.
            words += ["-q", load.rate / load.users, "-m", "POST", "-T", "application/json", "-d", BODY % f"hey-{time.time_ns()}"]
            text, cpu = ended([*words, f"{load.url}/api/orders"])
        found = {percent: 1e3 * float(value) for percent, value in re.findall(r"^\s+(50|99)% in ([\d.]+) secs$", text, re.M)}
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
        answers = sum(int(count) for count in re.findall(r"^\s+\[\d+\]\s+(\d+) responses$", text, re.M))
        return {"requests": answers, "rate": rate, "p50_ms": found["50"], "p99_ms": found["99"], "cpu": cpu}


class Oha:
    name, keeps_a_rate = "oha", True
    corrects = False

    def get(self):
        self.program = HERE / "bin" / "oha"
        if self.program.exists():
            return
        words = ["cargo", "install", "--quiet", "oha", "--version", OHA, "--locked", "--root", HERE]
        environment = os.environ | {"CARGO_TARGET_DIR": str(HERE / "oha")}
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, env=environment)
        if done.returncode:
            raise Missing((done.stderr.strip().splitlines() or ["cargo gave no reason"])[-1])

    def run(self, load):
        words = [self.program, "--no-tui", "--output-format", "json", "-z", f"{load.seconds}s", "-c", load.users, "-t", "10s", "-w"]
        if load.rate is None:
            text, cpu = ended([*words, f"{load.url}/health"])
        else:
            words += ["-q", load.rate, *(["--latency-correction"] if self.corrects else [])]
            words += ["-m", "POST", "-T", "application/json", "-d", BODY % f"oha-{time.time_ns()}"]
            text, cpu = ended([*words, f"{load.url}/api/orders"])
        told = json.loads(text)
        found, answers = told["latencyPercentiles"], sum(told["statusCodeDistribution"].values())
        return {"requests": answers, "rate": told["summary"]["requestsPerSec"], "p50_ms": 1e3 * found["p50"], "p99_ms": 1e3 * found["p99"], "cpu": cpu}


class OhaCorrected(Oha):
    name, corrects = "oha --latency-correction", True


class Locust:
    name, keeps_a_rate = "locust", True

    def get(self):
        self.program = HERE / "locust" / "bin" / "locust"
        if self.program.exists():
            return
        for words in ([sys.executable, "-m", "venv", HERE / "locust"],
                      [HERE / "locust" / "bin" / "pip", "install", "--quiet", f"locust=={LOCUST}"]):
            done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
            if done.returncode:
                raise Missing((done.stderr.strip().splitlines() or ["pip gave no reason"])[-1])

    def run(self, load):
        with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
            wait = "constant(0)" if load.rate is None else f"constant_throughput({load.rate / load.users})"
            script.write(LOCUSTFILE.format(wait=wait, ask=GET if load.rate is None else POST))
            script.flush()
            text, cpu = ended([self.program, "--headless", "--json", "--loglevel", "ERROR", "-f", script.name, "-H", load.url,
                               "-u", load.users, "-r", load.users, "-t", f"{load.seconds}s", "--stop-timeout", "5"])
        (told,) = json.loads(text[text.index("["):])
        counts = sorted((float(ms), count) for ms, count in told["response_times"].items())
        return {"requests": told["num_requests"] - told["num_failures"],
                "rate": told["num_requests"] / max(1e-9, told["last_request_timestamp"] - told["start_time"]),
                "p50_ms": ranked(counts, 0.5), "p99_ms": ranked(counts, 0.99), "cpu": cpu}


def ranked(counts, share):
    """By nearest rank, of values with how often each came."""
    left = share * sum(count for _, count in counts)
    for value, count in counts:
        left -= count
        if left <= 1e-9:
            return value
    return counts[-1][0]


class Own:
    """A part of `benches/peers`."""

    def __init__(self, name, command):
        self.name, self.command, self.keeps_a_rate = name, command, True

    def get(self):
        self.program = target() / "release" / "peers"

    def run(self, load):
        words = [self.program, self.command, "--url", load.url, "--seconds", load.seconds, "--what", "health" if load.rate is None else "orders"]
        # Our own open model has as many clients as its rate may need, by itself.
        words += ["--users", load.users] if load.rate is None or self.command == "goose" else []
        words += ["--rate", load.rate] if load.rate is not None else []
        text, cpu = ended(words)
        told = json.loads(text)
        return told | {"cpu": told.get("cpu_s", cpu)}


OURS, GOOSE = Own("ours", "ours"), Own("bare goose", "goose")
PEERS = [GOOSE, Wrk(), Hey(), Oha(), Locust()]
