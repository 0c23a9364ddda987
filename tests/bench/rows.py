"""What a figure says: one row of the table, with the numbers it was made of."""
import dataclasses
import json
import operator

COMPARE = {">=": operator.ge, "<=": operator.le}


@dataclasses.dataclass
class Row:
    figure: str           # the name that --only takes
    what: str
    value: float
    reach: str = ""       # ">= 0.2", or "" where DESIGN names no number
    detail: str = ""
    numbers: dict = dataclasses.field(default_factory=dict)

    @property
    def ok(self):
        """True, False, or None where there is nothing to reach."""
        if not self.reach:
            return None
        sign, number = self.reach.split()
        return COMPARE[sign](self.value, float(number))

    def text(self):
        mark = {True: "ok  ", False: "MISS", None: "    "}[self.ok]
        value = f"{self.value:10.2f}" if self.value < 1000 else f"{self.value:10,.0f}"
        reach = f"(to reach {self.reach})" if self.reach else ""
        lines = [f"{mark} {value}  {self.what}  {reach}".rstrip()]
        return "\n".join(lines + ["                 " + line for line in self.detail.split("\n") if line])

    def markdown(self):
        reach = self.reach + (", **missed**" if self.ok is False else "")
        return f"| {self.what} | {self.value:,.2f} | {reach} | {self.detail.replace(chr(10), '; ')} |"


def write_json(path, facts, rows):
    with open(path, "w") as f:
        json.dump({"machine": facts, "rows": [{**dataclasses.asdict(r), "ok": r.ok} for r in rows]}, f, indent=2)
        f.write("\n")


def write_markdown(path, rows):
    with open(path, "w") as f:
        f.write("| row | value | to reach | how it came about |\n|---|---|---|---|\n")
        f.writelines(r.markdown() + "\n" for r in rows)
