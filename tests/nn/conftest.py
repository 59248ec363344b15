"""PyTorch with one thread, as beside it in all comparisons."""

import pytest


@pytest.fixture(autouse=True)
def one_thread():
    pytest.importorskip("torch").set_num_threads(1)
