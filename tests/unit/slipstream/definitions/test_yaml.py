from __future__ import annotations

from pathlib import Path

import pytest

from slipstream.definitions.yaml import MAX_BYTES, UnreadableError, load_yaml, read_yaml


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_each_key_path_has_its_line() -> None:
    document = load_yaml("a: 1\nb:\n  - c: 2\n  - {d: 3}\n")
    assert document.data == {"a": 1, "b": [{"c": 2}, {"d": 3}]}
    assert document.lines[("b", "0", "c")] == 3
    assert document.lines[("b", "1", "d")] == 4


def test_every_key_that_stands_twice_is_told_and_the_rest_is_still_read() -> None:
    document = load_yaml("a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert document.repeated == ((("b", "c"), 2), (("a",), 3))
    assert document.data == {"a": 3, "b": {"c": 2}}


def test_a_date_that_does_not_exist_stays_text_to_be_refused_where_it_stands() -> None:
    assert load_yaml("start: 2013-02-30").data == {"start": "2013-02-30"}
    assert load_yaml("n: " + "9" * 5000).data == {"n": "9" * 5000}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: !!python/object/apply:os.system [ls]", 2, "python/object"),
        ("a: !custom 1", 1, "!custom"),
        ("a:\n\tb: 1", 2, "tab"),
        ("a: [1, 2", None, "not readable YAML"),
        ("a: b: c", 1, "not readable YAML"),
        ("a: 1\n--- \nb: 2", 2, "another document"),
        ("a: \x00", None, "control characters"),
        ("a: *nowhere", 1, "undefined alias"),
        ("[" * 100_000, 1, "deeper than"),
        ("a: &a [*a]", 1, "aliases"),
        (bomb(9), None, "aliases"),
        ("x: &x {y: 1}\n<<: 3", 2, "not readable YAML"),
    ],
)
def test_what_is_not_bounded_plain_yaml_is_refused_with_its_line(text: str, line: int | None, words: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        load_yaml(text)
    assert words in str(caught.value)
    assert line is None or caught.value.line == line
    assert "\n" not in str(caught.value)


def test_plain_aliases_and_merges_are_read() -> None:
    document = load_yaml("x: &x {type: string}\ny: {<<: *x, unit: m}\nz: *x\n")
    assert document.data["y"] == {"type": "string", "unit": "m"}
    assert document.data["z"] == {"type": "string"}


def test_a_file_of_other_bytes_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "source.yaml"
    path.write_bytes(b"name: a\nowner: \xe9\n")
    with pytest.raises(UnreadableError, match="0xe9") as caught:
        read_yaml(path)
    assert caught.value.line == 2


def test_a_file_of_data_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "source.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UnreadableError, match="1,000,001"):
        read_yaml(path)


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "source.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: a\r\nowner: b\r\n")
    document = read_yaml(path)
    assert document.data == {"name": "a", "owner": "b"}
    assert document.lines[("owner",)] == 2
