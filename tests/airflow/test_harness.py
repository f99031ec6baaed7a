"""The installation's harness on a machine that is slow or at fault, with a server and components that are made up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from importlib import import_module

import httpx
import psutil
import pytest
from airflow_harness import components as components_module
from airflow_harness import home as home_module
from airflow_harness.components import Components
from airflow_harness.home import AirflowHome
from airflow_harness.installation import Installation
from airflow_harness.ports import reserved_ports
from airflow_harness.slow_store import SlowStore

ENDLESS = (sys.executable, "-c", "import time; time.sleep(600)")
_DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
STUBBORN = (sys.executable, "-c", f"{_DEAF}; print('stubborn', flush=True); time.sleep(600)")


@pytest.fixture
def bare(tmp_path):
    """Give a home without a database."""
    return AirflowHome(folder=tmp_path)


@pytest.fixture
def components(bare):
    made = Components(bare)
    yield made
    made.stop()


def _answering(*answers):
    """Give a client whose requests are answered in turn, with a response or an error."""
    left = iter(answers)

    def answer(_):
        match next(left):
            case httpx.HTTPError() as error:
                raise error
            case status, document:
                return httpx.Response(status, json=document)

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://server")


def _installation(components, *answers):
    return Installation(_answering((200, {"access_token": "token"}), *answers), components)


def test_server_that_is_late_or_at_fault_is_asked_again(components):
    faults = [(500, None), (503, None), httpx.ReadTimeout("late"), httpx.ConnectError("closed")]
    assert _installation(components, *faults, (200, {"dags": 1})).get("/dags") == {"dags": 1}


def test_request_that_is_refused_is_not_sent_again(components):
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        _installation(components, (403, None), (200, {"dags": 1})).get("/dags")


def test_run_whose_beginning_was_not_answered_is_not_begun_twice(components):
    answers = [(404, None), httpx.ReadTimeout("late"), (409, None), (200, {"state": "running"})]
    assert _installation(components, *answers).trigger("payroll") == "run_of_payroll"


def test_all_waits_share_one_deadline_and_name_the_last_fault(bare):
    components = Components(bare, within_seconds=0)
    fault = httpx.ReadTimeout("late")
    with pytest.raises(TimeoutError, match="/auth/token") as caught:
        Installation(_answering(fault), components)
    assert caught.value.__cause__ is fault
    with pytest.raises(TimeoutError, match="something else"):
        components.until(lambda: None, "something else")


def test_component_that_ended_is_named_and_waited_for_no_longer(components):
    components.start("scheduler", "false")
    with pytest.raises(RuntimeError, match="scheduler ended with 1"):
        components.until(lambda: None, "its health")


def test_component_that_ended_keeps_no_other_from_being_stopped(components, capsys):
    components.start("scheduler", "false")
    components.start("triggerer", *ENDLESS)
    ended, other = components._started.values()
    ended.wait()
    components.stop()
    assert other.poll() is not None
    components.print_logs()
    assert capsys.readouterr().out.split() == ["---", "scheduler", "---", "triggerer"]


def test_component_that_does_not_end_is_killed(components, bare, monkeypatch):
    monkeypatch.setattr(components_module, "_STOP_SECONDS", 2)
    components.start("scheduler", *STUBBORN)
    components.until(lambda: (bare.folder / "scheduler.log").read_text() or None, "its start")
    components.stop()
    (process,) = components._started.values()
    assert process.returncode < 0


def test_zombie_is_nothing_that_still_runs():
    with subprocess.Popen("true") as child:
        zombie = psutil.Process(child.pid)
        while zombie.status() != psutil.STATUS_ZOMBIE:
            pass
        assert components_module._left([zombie]) == []


def test_ports_of_installations_side_by_side_are_not_the_same():
    with reserved_ports(3) as some, reserved_ports(3) as others:
        assert len({*some, *others}) == 6


def test_command_that_takes_too_long_shows_what_it_printed(bare, monkeypatch):
    monkeypatch.setattr(home_module, "COMMAND_SECONDS", 3)
    with pytest.raises(RuntimeError, match="did not end within 3 s:\nstubborn"):
        bare.command(*STUBBORN)


def _opened(folder):
    return import_module("lamella_layers.store.directory").DirectoryStore(folder)


def test_store_on_the_loop_s_own_thread_is_found(monkeypatch, tmp_path):
    slow_store = SlowStore(monkeypatch, backstop_seconds=0.1)

    async def run():
        return _opened(tmp_path).list("")

    with pytest.raises(TimeoutError, match="the event loop is held"):
        slow_store.run(run())


def test_store_that_is_asked_one_after_the_other_is_found(monkeypatch, tmp_path):
    slow_store = SlowStore(monkeypatch, backstop_seconds=0.1)

    async def run():
        for _ in range(2):
            await asyncio.to_thread(_opened(tmp_path).list, "")

    with pytest.raises(threading.BrokenBarrierError):
        slow_store.run(run(), side_by_side=2)
