"""Lines that people and scripts read: PASS, FAIL, and the sum at the end. Nothing is skipped: no scenario asks an
implementation for what it does not have."""

import time


class Report:
    def __init__(self):
        self.counts = {"PASS": 0, "FAIL": 0}
        self.name = ""
        self.failures = []

    def scenario(self, name, work):
        """Runs a scenario. What goes wrong outside of its steps is a failure of its own."""
        print(f"== {name}", flush=True)
        self.name, before, started = name, dict(self.counts), time.monotonic()
        try:
            work()
        except TimeoutError:
            raise
        except Exception as error:  # a broken scenario must not hide the others
            self.failed("scenario", f"{type(error).__name__}: {error}")
        passed, failed = (self.counts[k] - before[k] for k in ("PASS", "FAIL"))
        print(f"   {name}: {passed} passed, {failed} failed in {time.monotonic() - started:.1f} s", flush=True)

    def step(self, name, work):
        """Runs one step and returns what it returned, or None when it failed."""
        started = time.monotonic()
        try:
            result = work()
        except TimeoutError as error:
            if "whole run" in str(error):
                raise
            self.line("FAIL", name, started, str(error))
            return None
        except Exception as error:
            self.line("FAIL", name, started, f"{type(error).__name__}: {error}")
            return None
        self.line("PASS", name, started, "" if result is None else str(result))
        return result

    def failed(self, name, why):
        self.line("FAIL", name, time.monotonic(), why)

    def line(self, verdict, name, started, detail):
        self.counts[verdict] += 1
        if verdict == "FAIL":
            self.failures.append(f"{self.name}: {name}: {detail}")
        took = (time.monotonic() - started) * 1e3
        print(f"{verdict} {name:34} {took:9.1f} ms  {detail[:140]}", flush=True)

    def close(self):
        for failure in self.failures:
            print(f"failed: {failure}")
        passed, failed = (self.counts[k] for k in ("PASS", "FAIL"))
        print(f"{passed} passed, {failed} failed", flush=True)
        return 0 if failed == 0 and passed > 0 else 1


def expect(condition, what):
    if not condition:
        raise AssertionError(what)
