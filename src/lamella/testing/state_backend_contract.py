"""The contract of a state backend, as a pytest class to inherit.

class TestMyStateBackend(StateBackendContract):
    @pytest.fixture
    def reopen(self, tmp_path):
        return lambda: MyStateBackend(tmp_path)

    @pytest.fixture
    def backend(self, reopen):
        return reopen()

    @pytest.fixture
    def source(self, tmp_path):
        return f"from my_package import MyStateBackend; backend = MyStateBackend({str(tmp_path)!r})"
"""

from __future__ import annotations

from lamella.testing.state_places import PlaceContract
from lamella.testing.state_processes import ProcessContract
from lamella.testing.state_values import ValueContract

__all__ = ["StateBackendContract"]


class StateBackendContract(ValueContract, PlaceContract, ProcessContract):
    """What every `BaseStateBackend` promises, as far as its class attributes say that it does.

    Give it three fixtures: `backend`, an empty backend; `reopen`, which builds a further instance over the same data;
    and `source`, Python source that does so in a new interpreter and names it `backend`. Where the backend lives in the
    memory of one process, set `shared` to false; `StateContract` lists what else may be said of one.
    """
