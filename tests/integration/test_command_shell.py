"""What a shell and `man` get from the command's own table: words that complete what is typed, and the manual page."""
import json
import re
import subprocess

import pytest

from tests.harness.process import BINARY
from tests.integration.test_command import run


@pytest.fixture(scope="module")
def commands():
    return json.loads(run("help", "--json").stdout)


def words(*typed):
    """What the last of the words may become: {word: what it is}."""
    lines = run("completion", "words", *typed).stdout.splitlines()
    assert all(line.count("\t") == 1 for line in lines)
    found = dict(line.split("\t") for line in lines)
    assert len(found) == len(lines)
    return found


# ---- completion

def test_every_command_is_reached_word_by_word(commands):
    for command in commands:
        names = command["name"].split()
        for i, name in enumerate(names):
            for partial in ("", name[:1], name):
                assert name in words(*names[:i], partial)
            assert all(word.startswith(name[:2]) for word in words(*names[:i], name[:2]))
        assert words(*names[:-1], names[-1])[names[-1]] in ("", command["summary"])


def test_all_options_of_a_command_are_offered_and_each_once(commands):
    for command in commands:
        if command["name"] in ("stand-in", "help", "completion"):
            continue
        names = command["name"].split()
        offered = words(*names, "--")
        assert set(offered) == {f"--{option}" for option in (*command["options"], "json", "config", "help")}
        assert all(offered.values())
    assert "--limit" not in words("keys", "list", "--limit", "3", "--") and "--cursor" in words("keys", "list", "--limit=3", "--")
    assert "--rate" in words("prices", "set", "--rate", "input_tokens=1", "--")  # it may come many times


def test_where_a_value_or_a_file_is_due_names_of_files_are_left_to_the_shell():
    assert words("keys", "create", "--customer", "") == words("events", "import", "") == words("customers", "list", "--config", "") == {}
    assert "--json" in words("events", "import", "usage.jsonl", "")


def test_what_stands_before_or_names_a_command_is_understood():
    assert "customers" in words("--json", "cus") and "create" in words("--config", "file", "keys", "cr")
    assert set(words("help", "keys", "")) == set(words("keys", "")) and set(words("completion", "")) == {"bash", "zsh", "fish"}
    assert words("nothing", "") == words("balance", "x") == {}


def test_bash_completes_with_what_is_printed(tmp_path):
    script = run("completion", "bash").stdout + """
typed() { COMP_WORDS=(tollgate "$@"); COMP_CWORD=$#; _tollgate; echo "${COMPREPLY[@]}"; }
typed cus; typed keys ''; typed keys create --na; typed keys create --customer ''
complete -p tollgate
"""
    done = subprocess.run(["bash", "-c", script], env={"PATH": f"{BINARY.parent}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0] == "customers" and lines[2:4] == ["--name", ""] and lines[4].endswith("-F _tollgate tollgate")
    assert lines[1].split() == list(words("keys", ""))


def test_each_shell_asks_this_binary_and_another_is_refused():
    for shell, mark in (("bash", "complete -o default -F"), ("zsh", "#compdef tollgate"), ("fish", "complete -c tollgate")):
        script = run("completion", shell).stdout
        assert mark in script and "tollgate completion words" in script
    assert "bash, zsh or fish" in run("completion", "csh", code=2).stderr and "SHELL" in run("completion", code=2).stderr
    assert "tollgate completion SHELL" in run("completion", "--help").stdout


# ---- the manual page

def plain(roff):
    """The text that roff makes of the page, near enough: without requests, fonts and escapes."""
    lines = [line for line in roff.splitlines() if line not in (".TP", ".PP", ".nf", ".fi")]
    text = "\n".join(re.sub(r"^\.(SH|SS|B|I|TH) ", "", line) for line in lines)
    for escape, mark in (("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\&", ""), ("\\-", "-"), ("\\(aq", "'"), ("\\(ga", "`"), ("\\(ti", "~"), ("\\(ha", "^"), ("\\e", "\\")):
        text = text.replace(escape, mark)
    return text


def test_the_page_has_every_command_option_and_setting(commands):
    roff = run("man").stdout
    page = plain(roff)
    assert roff.startswith(".TH TOLLGATE 1 ") and all(f".SH {part}\n" in roff for part in ("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "ENVIRONMENT", "EXIT STATUS"))
    for command in commands:
        shown = f"{command['name']} {command['words']}".strip()
        section = page.split(f"\n{shown}\n{command['summary']}.\n")
        assert len(section) == 2, shown
        assert all(re.search(rf"^--{option}\b", section[1], re.M) for option in command["options"])
    for setting in ("DATABASE_URL", "TOLLGATE_MASTER_KEY", "TOLLGATE_EVENTS_MEMORY_MB", "STRIPE_SECRET_KEY"):
        assert f"\n{setting}\n" in page
    for line in run("help", "events", "send").stdout.splitlines():
        assert not line.startswith("  tollgate") or line in page  # examples can be copied as they are


def test_the_page_is_read_without_a_warning():
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=run("man").stdout, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""
