"""State that only the server's side seals: of a task over a retry, of mapped tasks, and of an asset."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Asset, dag, task

READINGS = Asset(name="server_side_readings", uri="x-tests://server/side/readings")
# Airflow keeps the source of a DAG in its database, so what must not be found there does not stand in it.
SECRET = "revres-eht-yb-tpek"[::-1]


@task(inlets=[READINGS])
def read(asset_state_store=None):
    assert asset_state_store[READINGS].get("latest") == {"name": SECRET, "ä": None}


@dag(schedule=None)
def server_side():
    @task(retries=1, retry_delay=timedelta(0))
    def resume(task_state_store=None, ti=None):
        if ti.try_number == 1:
            task_state_store.set("cursor", {"page": 7, "token": SECRET})
            task_state_store.set("gone", SECRET)
            task_state_store.delete("gone")
            raise ConnectionError("the first try ends here")
        assert task_state_store.get("cursor") == {"page": 7, "token": SECRET}
        assert task_state_store.get("gone") is None

    @task
    def each(number, task_state_store=None):
        task_state_store.set("number", [SECRET, number])
        assert task_state_store.get("number") == [SECRET, number]

    @task(outlets=[READINGS])
    def write(asset_state_store=None):
        asset_state_store[READINGS].set("latest", {"name": SECRET, "ä": None})

    resume() >> each.expand(number=[1, 2]) >> write() >> read()


@dag(schedule=None)
def server_side_reader():
    read()


server_side()
server_side_reader()
