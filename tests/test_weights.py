"""Weights in safetensors files: written whole or not at all, exchanged with PyTorch, refused if they are damaged."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from pullback import nn
from pullback.errors import DataError, DtypeError, OptionError, ShapeError


def model(rng=0):
    return nn.Sequential(
        nn.Conv1d(2, 3, 2), nn.BatchNorm1d(3), nn.ReLU(), nn.LSTM(4, 2, 2, bidirectional=True), rng=rng
    )


def test_what_was_saved_is_loaded(tmp_path):
    ours, other = model(0), model(1)
    nn.save(ours, tmp_path / "w.safetensors")
    other.load(nn.load_weights(tmp_path / "w.safetensors"))
    assert other.parameters.keys() == ours.parameters.keys()
    assert all(np.array_equal(p, other.parameters[name]) for name, p in ours.parameters.items())
    assert os.listdir(tmp_path) == ["w.safetensors"]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T, np.arange(6.0)[::-2], np.broadcast_to(np.float32(2), (3, 2)), np.array(3.5),
        np.zeros((0, 3)), np.array([True, False]), np.arange(4, dtype=">i4"), np.ones(2, np.float16), np.uint8([7]),
    ],
    ids=["transposed", "reversed", "broadcast", "a number", "empty", "bool", "big-endian", "half", "bytes"],
)  # fmt: skip
def test_any_array_comes_back(array, tmp_path):
    nn.save({"a": array}, tmp_path / "w.safetensors")
    found = nn.load_weights(tmp_path / "w.safetensors")["a"]
    assert found.shape == array.shape and found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)
    found[...] = 0  # it is ours to write to


@pytest.mark.parametrize("dtype", [complex, np.complex64, object, np.longdouble, "U3"])
def test_arrays_that_the_file_cannot_hold_are_named(dtype, tmp_path):
    with pytest.raises(DtypeError, match=f"b is {np.dtype(dtype)}, which .safetensors has no numbers for; convert it"):
        nn.save({"a": np.zeros(2), "b": np.zeros(2, dtype)}, tmp_path / "w.safetensors")
    assert not os.listdir(tmp_path)


def test_load_takes_arrays_that_fit():
    layer = nn.Linear(2, 1, rng=0)
    before = layer.own["weight"].copy()
    for path in "w.safetensors", Path("w.safetensors"):
        with pytest.raises(OptionError, match=r"load takes a dict .* a file is read by nn.load_weights\(path\)"):
            layer.load(path)
    with pytest.raises(DtypeError, match=r"weight holds 1e\+300, too large for float32"):
        layer.load({"weight": np.array([[1.0, 1e300]]), "bias": np.zeros(1)})
    np.testing.assert_array_equal(layer.own["weight"], before)
    with pytest.warns(UserWarning, match="rounded to float32"):
        layer.load({"weight": np.array([[1.0, np.inf]]), "bias": np.zeros(1)})


def test_pytorch_reads_ours_and_we_read_pytorchs(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    ours = model()
    twin = torch.nn.Sequential(
        torch.nn.Conv1d(2, 3, 2), torch.nn.BatchNorm1d(3), torch.nn.ReLU(), torch.nn.LSTM(4, 2, 2, bidirectional=True)
    )
    path = tmp_path / "w.safetensors"
    nn.save(ours, path)
    tracked = {"1.num_batches_tracked": torch.tensor(0)}
    twin.load_state_dict(load_file(path) | tracked, strict=True)
    x = np.random.default_rng(0).normal(size=(2, 2, 5)).astype("f4")
    np.testing.assert_allclose(ours(x), twin.eval()(torch.tensor(x))[0].detach().numpy(), atol=1e-6)
    for p in twin.parameters():
        torch.nn.init.normal_(p)
    save_file(twin.state_dict(), path)
    ours.load(nn.load_weights(path))
    np.testing.assert_allclose(ours(x), twin(torch.tensor(x))[0].detach().numpy(), atol=1e-6)


def test_bfloat16_becomes_float32(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    values = torch.tensor([[1.0, -2.5, 3.14159], [float("inf"), 1e-40, 0.0]], dtype=torch.bfloat16)
    save_file({"a": values}, tmp_path / "w.safetensors")
    found = nn.load_weights(tmp_path / "w.safetensors")["a"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values.float().numpy())


def test_numbers_that_numpy_does_not_have(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2, dtype=torch.float8_e4m3fn)}, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match="w.safetensors: a holds F8_E4M3, which NumPy has no numbers for"):
        nn.load_weights(tmp_path / "w.safetensors")


def header(text, data=b""):
    return struct.pack("<Q", len(text)) + text + data


GOOD = safetensors.numpy.save({"a": np.ones(4, "f4")})
FOREIGN = {
    "empty": b"",
    "text": b"these are no weights, but a letter to a friend",
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s.",
    "a zip": b"PK\x03\x04" + bytes(100),
    "cut short": GOOD[:-3],
    "cut in the header": GOOD[:20],
    "longer": GOOD + b"\0\0",
    "a header too large": struct.pack("<Q", 2**60) + GOOD[8:],
    "no JSON": header(b"{nothing}"),
    "JSON of another kind": header(json.dumps({"a": 3}).encode()),
    "wrong offsets": header(
        json.dumps({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}).encode(), bytes(4)
    ),
    "unknown numbers": header(
        json.dumps({"a": {"dtype": "X7", "shape": [1], "data_offsets": [0, 4]}}).encode(), bytes(4)
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_damaged_and_foreign_files(kind, tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(DataError) as error:
        nn.load_weights(path)
    assert str(error.value).startswith(f"{path} is damaged, or no .safetensors file: ")
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_made(tmp_path):
    nn.save({"a": np.ones(2)}, tmp_path / "runs" / "mine" / "w.safetensors")
    assert nn.load_weights(tmp_path / "runs" / "mine" / "w.safetensors")["a"].tolist() == [1, 1]


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot read .*nothing.safetensors: No such file or directory"):
        nn.load_weights(tmp_path / "nothing.safetensors")
    with pytest.raises(DataError, match="cannot read .*: Is a directory"):
        nn.load_weights(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="cannot write .*file/w: Not a directory"):
        nn.save({}, tmp_path / "file" / "w")
    with pytest.raises(DataError, match="cannot write .*: File name too long"):
        nn.save({}, tmp_path / ("w" * 300))
    with pytest.raises(DataError, match="cannot write .*: it is no regular file"):
        nn.save({"a": np.ones(2)}, tmp_path)


def test_weights_of_another_model(tmp_path):
    nn.save(nn.Linear(2, 3), tmp_path / "w.safetensors")
    with pytest.raises(ShapeError, match=r"weight has shape \(3, 2\), needs \(4, 2\)"):
        nn.Linear(2, 4).load(nn.load_weights(tmp_path / "w.safetensors"))


def test_a_full_disk_leaves_what_was_there(tmp_path):
    """A limit on the size of files fails in the middle of a write, as a full disk does."""
    path = tmp_path / "w.safetensors"
    nn.save({"a": np.ones(4)}, path)
    before = path.read_bytes()
    code = (
        "import resource, signal, sys, numpy as np\n"
        "from pullback import nn\n"
        "from pullback.errors import DataError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try: nn.save({'a': np.ones(4000)}, sys.argv[1])\n"
        "except DataError as error: print(error)\n"
    )
    found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert found.stdout == f"cannot write {path}: File too large\n" and not found.stderr
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["w.safetensors"]


def test_only_files_are_replaced(tmp_path):
    """Not what is no file (a device would be lost), and not a link, but the file that it stands for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="cannot write .*pipe: it is no regular file"):
        nn.save({"a": np.ones(4)}, tmp_path / "pipe")
    assert os.listdir(tmp_path) == ["pipe"] and (tmp_path / "pipe").is_fifo()
    os.symlink("w.safetensors", tmp_path / "link")
    nn.save({"a": np.ones(4)}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and "a" in nn.load_weights(tmp_path / "w.safetensors")


def test_a_write_that_is_interrupted_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"before")

    def interrupted(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nn.save({"a": np.ones(4)}, path)
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["w.safetensors"]
