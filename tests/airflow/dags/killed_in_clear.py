"""Two tasks die between the two steps of clear_on_success: their objects are gone, and their rows are not.

The retry of one reads as by default, that of the other with `missing_object = none`.
"""

from __future__ import annotations

import os
import signal
from datetime import timedelta

from airflow.sdk import dag, task
from airflow.sdk.execution_time import context


def die_after_clear():
    """Make the task process end right after the backend's clear, before the API server hears of the success."""
    backend = context._get_worker_state_store_backend()
    clear = backend.clear

    def clear_and_die(*args, **options):
        clear(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    backend.clear = clear_and_die


@dag(schedule=None)
def killed_in_clear():
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def clear(missing_object, task_state_store=None, ti=None):
        os.environ["AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS"] = "True"
        os.environ["AIRFLOW__LAMELLA__MISSING_OBJECT"] = missing_object
        if ti.try_number == 1:
            task_state_store.set("progress", os.environ["CANARY"])
            die_after_clear()
        elif task_state_store.get("progress") is not None:
            raise ValueError("the object should be gone")

    clear.expand(missing_object=["raise", "none"])


killed_in_clear()
