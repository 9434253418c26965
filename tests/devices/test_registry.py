"""The registry: what is written is read back, and nothing dangerous gets in."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sgnas_deploy import devices
from sgnas_deploy.errors import BadInput, EnvironmentProblem
from sgnas_profilers.transports.ssh import HOST

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._]{0,30}", fullmatch=True)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "sgnas" / "devices.toml"


def test_without_a_registry_there_are_the_built_in_devices(registry: Path) -> None:
    assert [device.name for device in devices.all_devices()] == ["cpu", "gpu", "jetson"]
    assert not registry.exists()


def test_a_device_is_read_back_as_it_was_registered() -> None:
    added = devices.register("orin.2", "me@10.0.0.7", None, "MAXN", "on the shelf")
    assert added == devices.find("orin.2")
    assert (added.transport, added.backend, added.power_mode) == ("ssh", "tensorrt", "MAXN")
    assert devices.register("quiet", None, None, None, "").backend == "onnxruntime"


@same_folder
@given(names.filter(lambda name: name not in ("cpu", "gpu", "jetson")), text, text)
def test_any_text_survives(registry: Path, name: str, mode: str, notes: str) -> None:
    registry.unlink(missing_ok=True)
    devices.register(name, None, None, mode, notes)
    found = devices.find(name)
    assert (found.power_mode, found.notes) == (mode, notes)


def test_comments_of_the_user_stay(registry: Path) -> None:
    devices.register("one", None, None, None, "")
    registry.write_text(registry.read_text() + "# mine\n# no newline")
    devices.register("two", None, None, None, "")
    assert "# mine\n# no newline\n" in registry.read_text()
    assert {"one", "two"} <= {device.name for device in devices.all_devices()}


@pytest.mark.parametrize(
    "name",
    ["", "-o", ".hidden", "a b", "a/b", "../x", "a\nb", "x" * 65, "a--b", "ä", 'a"b', "a]"],
)
def test_names_that_do_not_fit_file_names_are_refused(registry: Path, name: str) -> None:
    with pytest.raises(BadInput, match="is no name for a device"):
        devices.register(name, None, None, None, "")
    assert not registry.exists()


@pytest.mark.parametrize("name", ["cpu", "gpu", "jetson", "mine"])
def test_a_name_is_given_once(name: str) -> None:
    devices.register("mine", None, None, None, "first")
    with pytest.raises(BadInput, match=r"built in|registered already"):
        devices.register(name, None, None, None, "second")
    assert devices.find("mine").notes == "first"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "-oProxyCommand=touch x",
        "-p22",
        "me@-oProxyCommand=x",
        "-me@host",
        "host name",
        "host\n",
        "host;reboot",
        "$(reboot)",
        "`reboot`",
        "a'b",
        'a"b',
        "a|b",
        "a&b",
        "host\x00",
        "höst",
        "@host",
        "me@",
        "x" * 256,
    ],
)
def test_hosts_that_could_mean_something_else_to_ssh_are_refused(registry: Path, host: str) -> None:
    with pytest.raises(BadInput, match="is no host"):
        devices.register("board", host, None, None, "")
    assert not registry.exists()


@pytest.mark.parametrize(
    "host", ["board", "me@board", "a.b-c_d@board.local", "10.0.0.1", "me@fe80::1%eth0", "::1"]
)
def test_usual_hosts_are_taken(host: str) -> None:
    assert devices.register("board", host, None, None, "").host == host


@given(st.text(string.printable, min_size=1, max_size=20))
def test_a_host_that_is_taken_is_one_harmless_word(host: str) -> None:
    if re.fullmatch(HOST, host):
        assert not host.startswith("-")
        assert not set(host) & set(" \t\r\n\x0b\x0c;|&$`'\"\\<>(){}*?!#~=,/")
        assert not host.rpartition("@")[2].startswith("-")


@pytest.mark.parametrize("python", ["", "-c", "py thon", "a;b", "$(x)", "~/python", "a'b", "p\n"])
def test_pythons_that_a_shell_could_misunderstand(registry: Path, python: str) -> None:
    with pytest.raises(BadInput, match="no name or path of a Python"):
        devices.register("board", "board", None, None, "", python)
    assert not registry.exists()


def test_a_python_is_for_another_host() -> None:
    with pytest.raises(BadInput, match="--python is for a device on another host"):
        devices.register("mine", None, None, None, "", "python3")
    added = devices.register("pi", "pi", "onnxruntime", None, "", "/opt/venv-3.11/bin/python3")
    assert devices.find("pi") == added
    assert devices.register("plain", "pi", "onnxruntime", None, "").python == "python3"


def test_removing_leaves_the_rest_as_it_was(registry: Path) -> None:
    for name in ("one", "two.2", "three"):
        devices.register(name, "me@board", "onnxruntime", "15W", f"number {name}")
    text = registry.read_text().replace(
        '[devices."three"]', '# mine, of three\n[devices."three"]  # and this'
    )
    registry.write_text(text)
    gone = devices.unregister("two.2")
    assert gone.notes == "number two.2"
    begin = text.index('\n[devices."two.2"]')
    end = text.index("\n# mine")
    assert registry.read_text() == text[:begin] + text[end:]
    devices.unregister("three")
    devices.unregister("one")
    assert "# mine, of three" in registry.read_text()
    assert all(device.builtin for device in devices.all_devices())
    devices.register("one", None, None, None, "")


@pytest.mark.parametrize(
    "content",
    [
        'devices = {a = {backend = "null"}, b = {backend = "null"}}\n',
        '[devices]\na = {backend = "null"}\n',
        '[devices.a]\nbackend = "null"\nnotes = """\n[devices.b]\n"""\n[devices.b]\n'
        'backend = "null"\n',
    ],
)
def test_what_cannot_be_cut_out_is_left_alone(registry: Path, content: str) -> None:
    registry.parent.mkdir(parents=True)
    content = "schema_version = 1\n" + content
    registry.write_text(content)
    with pytest.raises(BadInput, match="by hand"):
        devices.unregister("a")
    assert registry.read_text() == content


def test_built_in_devices_stay() -> None:
    with pytest.raises(BadInput, match="built in"):
        devices.unregister("cpu")


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown backend 'abacus'"):
        devices.register("board", None, "abacus", None, "")


def test_an_unknown_device_names_the_command() -> None:
    with pytest.raises(BadInput, match=r"unknown device 'toaster'; .*sgnas devices list"):
        devices.find("toaster")


@pytest.mark.parametrize(
    "content",
    [
        b"not toml",
        b"\xff\xfe",
        b"",
        b"schema_version = 2\n",
        b'schema_version = 1\n[devices."a b"]\nbackend = "onnxruntime"\n',
        b"schema_version = 1\n[devices.a]\n",
        b'schema_version = 1\n[devices.a]\nbackend = "abacus"\n',
        b'schema_version = 1\n[devices.a]\nbackend = "tensorrt"\nhost = "-oX=y"\n',
        b'schema_version = 1\n[devices.a]\nbackend = "tensorrt"\ncolour = "red"\n',
        b'schema_version = 1\n[devices.cpu]\nbackend = "onnxruntime"\n',
        b'schema_version = 1\n[devices.a]\nbackend = "null"\n[devices.a]\nbackend = "null"\n',
    ],
)
def test_a_damaged_registry_is_named_and_left_alone(registry: Path, content: bytes) -> None:
    registry.parent.mkdir(parents=True)
    registry.write_bytes(content)
    with pytest.raises(BadInput, match=r"devices\.toml"):
        devices.all_devices()
    with pytest.raises(BadInput, match=r"devices\.toml"):
        devices.register("new", None, None, None, "")
    assert registry.read_bytes() == content


def test_a_registry_with_a_line_that_nothing_can_follow_is_left_alone(registry: Path) -> None:
    content = 'schema_version = 1\ndevices = {a = {backend = "null"}}\n'
    registry.parent.mkdir(parents=True)
    registry.write_text(content)
    assert devices.find("a").backend == "null"
    with pytest.raises(BadInput, match="not valid TOML"):
        devices.register("new", None, None, None, "")
    assert registry.read_text() == content


def test_a_folder_that_cannot_be_made_is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "sgnas").write_text("in the way")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        devices.register("new", None, None, None, "")


def test_a_relative_configuration_folder_is_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert devices.registry_path() == tmp_path / ".config" / "sgnas" / "devices.toml"
