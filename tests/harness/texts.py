"""Texts that fit a pattern, and texts that are worth trying on anything that takes a text. Drawn from a seed; a text that was
given is not given again, because some of what they are given for has to be unique."""
import random
import re._parser as sre

WIDE = (0x4E00, 0x9FFF)  # where a set excludes little, characters of three bytes each
PLAIN = "abcdefghijkmnpqrstuvwxyz0123456789"


def _excluded(items, c):
    return any(c == a if op is sre.LITERAL else a[0] <= c <= a[1] for op, a in items if op in (sre.LITERAL, sre.RANGE))


class Texts:
    def __init__(self, seed):
        self.random, self.used = random.Random(seed), set()

    def tag(self, length=10):
        return "".join(self.random.choice(PLAIN) for _ in range(length))

    def _one_of(self, items):
        if items and items[0][0] is sre.NEGATE:
            wide = self.random.randint(*WIDE)
            return chr(wide) if not _excluded(items[1:], wide) else self.random.choice(PLAIN)
        op, a = self.random.choice(items)
        if op is sre.LITERAL:
            return chr(a)
        assert op is sre.RANGE, f"patterns with {op} are not made here"
        return chr(self.random.randint(a[0], min(a[1], 0x7E) if a[0] <= 0x7E else a[1]))

    def _write(self, tree, times):
        out = ""
        for op, a in tree:
            if op is sre.LITERAL:
                out += chr(a)
            elif op is sre.NOT_LITERAL:
                out += self._one_of([(sre.NEGATE, None), (sre.LITERAL, a)])
            elif op is sre.IN:
                out += self._one_of(a)
            elif op is sre.MAX_REPEAT:
                out += "".join(self._write(a[2], times) for _ in range(times(a[0], a[1])))
            elif op is sre.SUBPATTERN:
                out += self._write(a[-1], times)
            elif op is sre.BRANCH:
                out += self._write(self.random.choice(a[1]), times)
            else:
                assert op is sre.AT, f"patterns with {op} are not made here"
        return out

    def fitting(self, pattern, times):
        """A new text that the pattern takes; times(least, most) says how often a repetition is repeated."""
        tree = sre.parse(pattern)
        for _ in range(200):
            text = self._write(tree, times)
            if text not in self.used:
                break
        self.used.add(text)
        return text

    def shortest(self, pattern):
        return self.fitting(pattern, lambda least, most: least)

    def of_length(self, pattern, length):
        """The longest that the pattern takes; what it leaves open is repeated `length` times."""
        return self.fitting(pattern, lambda least, most: length if most is sre.MAXREPEAT else int(most))

    def anything(self):
        """(label, text): what a text may hold, on its brink or beyond, whatever the text is for."""
        t = self.tag
        return [("empty", ""), ("a control character", f"a\a{t()}"), ("NUL", f"a\0{t()}"), ("a line break at its end", f"{t()}\n"),
                ("a tab", f"{t()}\t{t()}"), ("DEL", f"\x7f{t()}"), ("C1", f"{t()}\x85"), ("blanks around", f" {t()} "), ("quotes", f"{t()}\"'\\"),
                ("markup", f"<b>{t()}</b>"), ("accents", f"é{t()}ü"), ("an emoji", f"😀{t()}"), ("beyond the BMP", f"\U0010FFFF{t()}"),
                ("digits of another script", f"٣٤{t()}"), ("percent signs", f"%s%n%00{t()}"), ("SQL", f"'; DROP TABLE calls; --{t()}"),
                ("300 characters", "x" * 290 + t()), ("20000 characters", "y" * 19990 + t()), ("null as a word", f"null{t()}"), ("a path", f"../{t()}")]


AMOUNTS = ["1", "12.5", "0", "0.0", "00.5", "007", "-0", "-0.0", "-1", "+1", "1.", ".5", "1e3", "1,5", " 1", "1 ", "1_000", "0x10", "NaN", "Infinity",
           "0.000000001", "0.0000000001", "1.0000000000", "9223372036.854775807", "9223372036.854775808", "1000000000", "1000000000.000000001",
           "18446744073709551616", "9" * 400, "1\n", "١"]
TIMES = ["yesterday", "2999-13-01", "2999-00-10", "2999-12-32", "1969-12-31", "1969-12-31T23:59:59Z", "2999-12-31T08:00:00", "2999-12-31 08:00:00Z",
         "29991231", "2999-12-31T24:00:00Z", "2999-12-31T08:60:00Z", "2999-12-31T08:00Z", "2999-12-31T08:00:00+24:00", "2999-12-31T08:00:00.Z",
         "12999-12-31", "4102444800", "2999-12-31T08:00:00Z ", "2999-12-31\n"]
UNKNOWN = "01h2xcejqtf2nbrexx3vqjhp41"  # well formed, and nothing's


def malformed_ids(prefix):
    """(label, text) of what is no id with this prefix."""
    other = "cus" if prefix != "cus" else "key"
    return [("no id", "nonsense"), ("the prefix alone", f"{prefix}_"), ("one character short", f"{prefix}_{UNKNOWN[:-1]}"),
            ("one character more", f"{prefix}_{UNKNOWN}0"), ("upper case", f"{prefix}_{UNKNOWN}".upper()), ("beyond 128 bits", f"{prefix}_8{UNKNOWN[1:]}"),
            ("a letter that is no digit", f"{prefix}_{UNKNOWN[:-1]}l"), ("another prefix", f"{other}_{UNKNOWN}"), ("no prefix", UNKNOWN),
            ("a UUID", "018a2ec9-29f5-7a2f-8000-000000000000"), ("a line break behind", f"{prefix}_{UNKNOWN}\n"), ("null", "null")]
