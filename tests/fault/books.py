"""The three logs against each other: what the client knows, what the providers served, and what stands in the ledger. Called
when all is quiet; each time it reads what is new in each and says what does not fit."""
from decimal import ROUND_HALF_EVEN, Decimal

from .bank import decode, encode
from .record import Lines

SETTLED, RELEASED, EXPIRED, UNRATED, VOIDED = 2, 3, 4, 5, 6
ESTIMATED, PARTIAL, LATE, INCONSISTENT, ABOVE_HOLD, SWEPT, ABORTED = (1 << i for i in range(7))
HELD_BACK = 1 << 20  # a plain answer above it goes out before its charge is known
NANO = Decimal(1_000_000_000)

# What a good caller of that kind may be told; 0: nothing, the connection was lost. Anything else is a violation.
ANY = {0, 200, 502, 503, 504}
CREDIT = {402, 429}
ALLOWED = {
    "script": ANY | {429, 500}, "burst": ANY | {400, 401, 404, 429, 500}, "unsound": ANY | {400, 404, 500},
    "duplicate": {0, 409, 503}, "other-body": {0, 422, 503}, "idempotent": ANY | CREDIT | {409}, "sdk": ANY | CREDIT | {409},
    "revoked-key": {0, 401, 503}, "suspended": {0, 401, 403, 503}, "fresh-key": ANY | {401, 403},
    # the head may be refused for its form where it breaks off
    "early": {0}, "mute": {0},
    # who has closed its half counts as gone while nothing was streamed to it
    "half": ANY | CREDIT | {499},
}
# Scripts whose usage is what the stand-in says it is.
HONEST = ("stand-in:slow-", "stand-in:drip-", "stand-in:long-", "stand-in:usage-first")

CALLS = """
SELECT c.customer_id, c.id, c.revision, c.state, c.flags, c.charge, c.usage, c.price_id,
       e.admission ->> 'client_request_id', e.evidence ->> 'ending', c.key_id
FROM calls c LEFT JOIN call_evidence e ON e.customer_id = c.customer_id AND e.call_id = c.id AND e.revision = c.revision
WHERE c.writer_id = %s AND c.seq > %s AND c.seq <= %s
"""


class Call:
    """All rows of one call, added up."""
    __slots__ = ("customer", "state", "flags", "charge", "usage", "price", "request", "ending", "revisions", "swept", "key")

    def __init__(self):
        self.charge, self.usage, self.revisions, self.swept, self.request, self.ending = 0, {}, 0, False, None, None

    def add(self, row):
        self.customer, _, revision, self.state, self.flags, charge, usage, self.price, request, ending, self.key = row
        self.revisions += 1
        self.charge += charge
        self.swept = self.swept or bool(self.flags & SWEPT)
        for meter, quantity in usage.items():
            self.usage[meter] = self.usage.get(meter, 0) + quantity
        if revision == 0:
            self.request = request
        self.ending = ending


def time_of(call):
    """When its id says that it began: a UUIDv7's milliseconds."""
    return int(decode(call).replace("-", "")[:12], 16) / 1000


def nano(text):
    return int(Decimal(text) * NANO)


class Books:
    def __init__(self, world, driver):
        self.world, self.driver = world, driver
        self.cursors, self.rates = {}, {}
        self.rows = {}        # (id, revision): what stood in it, as a hash
        self.calls = {}       # call_…: Call
        self.by_request = {}  # attempt: call_…
        self.sent, self.told, self.served = {}, {}, {}
        self.attempted = set()
        self.sdk = {}         # operation: its calls
        self.checked = set()
        self.void_asked, self.void_done = set(), set()
        self.grants_asked = {f"first {c.name}": {"amount": nano(c.credits), "c": c.id} for c in world.customers}
        self.grants_done = set(self.grants_asked)
        self.provider_lines = [Lines(s.log_path) for s in world.stand_ins]
        self.known_customers = {c.id for c in world.customers}
        self.stats = {"attempts": 0, "acknowledged": 0, "pending": 0, "indeterminate": 0, "indeterminate_found": 0, "rows": 0, "swept": 0, "corrected": 0,
                      "estimated": 0, "released_after_serving": 0, "served": 0, "aborted": 0, "faithful_failed": [], "unpriced": 0, "charged_again": 0, "sent_again": 0}

    def wrong(self, invariant, text):
        self.world.violation(invariant, text)

    # ---- reading

    def read(self):
        self.read_client()
        for lines in self.provider_lines:
            for line in lines.new():
                self.served.setdefault(line["call"], []).append(line)
        self.read_ledger()

    def read_client(self):
        for line in self.driver.lines.new():
            kind = line["e"]
            if kind == "sent":
                self.sent[line["r"]] = line
                self.attempted.add(line["r"])
            elif kind == "got":
                self.told[line["r"]] = line
            elif kind == "grant":
                self.grants_asked[line["r"]] = line
            elif kind == "granted" and line["ok"]:
                self.grants_done.add(line["r"])
            elif kind == "granted" and line["st"] not in (0, 400, 503):
                self.wrong("answers", f"a grant was answered {line}")
            elif kind == "void":
                self.void_asked.add(line["call"])
            elif kind == "voided" and line["ok"]:
                self.void_done.add(line["call"])
            elif kind == "voided" and line["st"] not in (0, 503, 409):
                self.wrong("answers", f"a void was answered {line}")
            elif kind == "odd":
                self.wrong("I6", line["why"])
            elif kind == "op" and not line["ok"]:
                self.stats["faithful_failed"].append(line)
                self.wrong("F20", f"an operation that was tried again for a minute has failed: {line}")

    def read_ledger(self):
        connection = self.world.database.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT price_id, meter, per, charge FROM price_rates")
                for price, meter, per, charge in cursor.fetchall():
                    self.rates.setdefault(price, {})[meter] = (per, charge)
                cursor.execute("SELECT id, seq FROM writers ORDER BY id")
                writers = cursor.fetchall()
                rows = []
                for writer, seq in writers:
                    if seq > self.cursors.get(writer, 0):
                        cursor.execute(CALLS, (writer, self.cursors.get(writer, 0), seq))
                        rows += cursor.fetchall()
                    self.cursors[writer] = seq
                for row in sorted(rows, key=lambda r: (r[1], r[2])):  # a call's rows may come from several writers
                    self.take_row(row)
        finally:
            connection.close()

    def take_row(self, row):
        call = encode("call", row[1])
        entry = self.calls.get(call)
        if entry is None:
            entry = self.calls[call] = Call()
        elif row[2] == 0:
            self.wrong("I4", f"{call} ended twice")
        else:
            self.stats["corrected"] += 1
            self.checked.discard(call)
        entry.add(row)
        self.rows[row[1], row[2]] = hash(str(row[3:7]))
        self.stats["rows"] += 1
        if row[2] == 0:
            if entry.request is None:
                self.wrong("I8", f"{call} does not say whose attempt it was")
            elif entry.request in self.by_request:
                self.wrong("I8", f"attempt {entry.request} stands in the ledger as {self.by_request[entry.request]} and as {call}")
            else:
                self.by_request[entry.request] = call

    # ---- holding against each other

    def check(self):
        """Everything is over: no load, no holds."""
        self.read()
        for request in list(self.told):
            self.check_answer(self.told.pop(request), self.sent.pop(request))
        for request, sent in self.sent.items():
            self.wrong("rig", f"the client never said what became of {request}: {sent}")
        self.sent.clear()
        for name, entry in self.calls.items():
            if name not in self.checked:
                self.check_call(name, entry)
                self.checked.add(name)
        for name, lines in self.served.items():
            self.check_served(name, lines)
        self.served.clear()
        self.check_voids()
        self.check_retries()

    def check_retries(self):
        """One operation of an SDK, tried again and again and saying so, is charged once: where the service knew that the answer was
        lost. An answer that was charged whole and lost on its last way (the process killed, the connection gone between the commit
        and the client) is not known to be; such are counted."""
        for operation, names in self.sdk.items():
            charged = [n for n in names if self.calls[n].charge > 0]
            known = [n for n in charged[:-1] if self.calls[n].flags & (ABORTED | SWEPT)]
            self.stats["charged_again"] += max(0, len(charged) - 1)
            if known:
                self.wrong("I6", f"{operation} said that it repeats itself and was charged as " +
                           ", ".join(f"{n} ({self.show(self.calls[n])})" for n in charged))
        self.sdk.clear()

    def check_answer(self, got, sent):
        stats, kind = self.stats, got["k"]
        stats["attempts"] += 1
        if got["st"] not in ALLOWED.get(kind, ANY | CREDIT):
            self.wrong("answers", f"a call of kind {kind} was answered {got['st']} {got['code']}: {got['r']}")
        name = self.by_request.get(got["r"])
        entry = self.calls.get(name)
        if kind == "sdk" and entry is not None:
            self.sdk.setdefault(got["r"].rsplit(".", 1)[0], []).append(name)
        if kind in ("revoked-key", "suspended") and entry is not None:
            self.wrong("I16", f"{got['r']}: {kind} was admitted as {name} after the change had been acknowledged")
        if kind in ("duplicate", "other-body") and entry is not None:
            self.wrong("I6", f"{got['r']}: a repetition under the same Idempotency-Key was charged as {name}")
        if entry is not None and entry.customer != decode(sent["c"]):
            self.wrong("I15", f"{name} was charged to another customer than {sent['c']}")
        if entry is not None and abs(time_of(name) - sent["t"]) > 1800:
            self.wrong("I11", f"{name} has an id of {time_of(name)}, it was sent at {sent['t']}")
        if got["lost"] or got["st"] == 499:
            stats["indeterminate"] += 1
            stats["indeterminate_found"] += entry is not None
            return
        if got["done"]:
            stats["acknowledged"] += 1
            stats["pending"] += got["pend"]
        self.check_told(got, name, entry)

    def check_told(self, got, name, entry):
        if got["call"] and got["st"] not in (409,):
            if entry is None:
                self.wrong("I7", f"{got['r']} was told {got['call']} ({got['st']}), which is not in the ledger")
            elif name != got["call"]:
                self.wrong("I7", f"{got['r']} was told {got['call']}, its call is {name}")
            elif got["charge"] is not None and entry.state != VOIDED and name not in self.void_asked and entry.charge != nano(got["charge"]):
                self.wrong("I7", f"{name} was told as charged {got['charge']} and stands at {entry.charge} nanocredits ({self.show(entry)})")
            elif got["pend"] and got["done"] and entry.swept and entry.revisions == 1 and not self.world.journals_damaged:
                self.wrong("I7", f"{name} was told as pending, and its usage is lost: {self.show(entry)}")
            elif got["charge"] is None and not got["pend"] and got["done"] and got["n"] <= HELD_BACK:
                self.wrong("I7", f"{got['r']} was answered 200 without its charge: {got}")
        elif got["done"]:
            self.wrong("I7", f"{got['r']} succeeded and was told no call")
        elif entry is not None and entry.charge != 0 and got["st"] != 409:
            self.wrong("I8", f"{got['r']} was refused with {got['st']} {got['code']} and charged {entry.charge} as {name} ({self.show(entry)})")

    def check_call(self, name, entry):
        if entry.state not in (SETTLED, RELEASED, EXPIRED, UNRATED, VOIDED):
            self.wrong("I5", f"{name} has ended in state {entry.state}")
        if entry.state != SETTLED and entry.charge != 0:
            self.wrong("I14", f"{name} is {entry.state} and costs {entry.charge}")
        if entry.request is not None and entry.request not in self.attempted:
            self.wrong("I8", f"{name}: nobody attempted {entry.request}")
        self.stats["swept"] += entry.swept
        self.stats["aborted"] += bool(entry.flags & ABORTED)
        self.stats["estimated"] += bool(entry.flags & ESTIMATED)
        self.stats["unpriced"] += entry.state == UNRATED
        if entry.state == SETTLED:
            want = self.price(entry)
            if want != entry.charge:
                self.wrong("I14", f"{name} costs {entry.charge}, its usage {entry.usage} at price {entry.price} {want}")

    def price(self, entry):
        total = Decimal(0)
        for meter, quantity in entry.usage.items():
            per, charge = self.rates[entry.price][meter]
            total += Decimal(quantity) * charge / per
        return int(total.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))

    def check_served(self, name, lines):
        """Whatever a provider saw had a hold, for it is in the ledger; what it finished is charged as it says, or flagged."""
        entry = self.calls.get(name)
        self.stats["served"] += 1
        if entry is None:
            self.wrong("I4", f"{name or 'a call without a name'} was served without a hold: {lines[0]}")
            return
        # A connection that turns out dead within half a second of the request is tried once more (server/net/easy.c).
        self.stats["sent_again"] += len([line for line in lines if line["state"] == "started"]) > 1
        finished = [line for line in lines if line["state"] == "finished" and line["status"] == 200]
        if not finished or entry.flags & ABORTED:
            return  # who leaves is charged by its customer's policy
        last, script = finished[-1], finished[-1].get("script")
        honest = not last["model"].startswith("unsound") and (script is None or script.startswith(HONEST))
        # Swept and then taken back by its own server, which got no answer, is as good as released.
        if entry.state in (RELEASED, EXPIRED) or (entry.swept and entry.revisions > 1 and not any(entry.usage.values())):
            self.stats["released_after_serving"] += 1
            if entry.ending == "done" and honest:
                self.wrong("I4", f"{name} was answered whole and charged nothing: {self.show(entry)}")
        elif honest and entry.state == SETTLED and not entry.flags & ESTIMATED:
            told = {k: v for k, v in (("input_tokens", last["prompt_tokens"]), ("output_tokens", last["completion_tokens"])) if v}
            if {k: v for k, v in entry.usage.items() if v} != told:
                self.wrong("I4", f"{name} is charged for {entry.usage}, the provider served {told}")

    def check_voids(self):
        for call in self.void_done:
            entry = self.calls.get(call)
            if entry is None or entry.state != VOIDED or entry.charge != 0:
                self.wrong("I7", f"{call} was acknowledged as voided: {entry and self.show(entry)}")
        self.void_done.clear()

    # ---- the whole

    def check_grants(self):
        """What the operator was told is there once; what it was not told is there once or not at all; nobody else gave anything.
        Returns the units that came into being or went missing: given, less what is left, was used, and ran out."""
        rows = self.world.database.sql("SELECT reason, customer_id, granted FROM grants")
        seen, given = {}, 0
        for reason, customer, granted in rows:
            if reason.startswith("returned "):
                continue
            asked = self.grants_asked.get(reason)
            if reason in seen:
                self.wrong("I6", f"grant {reason} was given twice")
            if asked is None or asked["amount"] != granted or decode(asked["c"]) != customer:
                self.wrong("I8", f"nobody asked for grant {reason!r} of {granted} to {customer}")
            seen[reason] = granted
            given += granted
        for name in self.grants_done - seen.keys():
            self.wrong("I7", f"grant {name} was acknowledged and is not there")
        left, debt, expired, returned = self.world.database.sql(
            "SELECT (SELECT sum(left_over) FROM grants), (SELECT sum(debt) FROM customers), (SELECT sum(expired) FROM grants), "
            "(SELECT coalesce(sum(granted), 0) FROM grants WHERE reason = 'returned from an expired grant')")[0]
        used = sum(entry.charge for entry in self.calls.values())
        return int(given - (left - debt) - used - (expired - returned))

    def check_unchanged(self):
        """The ledger only grows: every row is as it was when it was first read."""
        self.read()
        connection = self.world.database.connect()
        connection.autocommit = False
        try:
            with connection.cursor("all") as cursor:
                cursor.execute("SELECT id, revision, state, flags, charge, usage FROM calls")
                for row in cursor:
                    was = self.rows.pop(row[:2], None)
                    if was != hash(str(row[2:])):
                        self.wrong("I12", f"{encode('call', row[0])}, revision {row[1]}, " + ("has changed" if was is not None else "came from nowhere") + f": {row}")
        finally:
            connection.close()
        if self.rows:
            self.wrong("I12", f"{len(self.rows)} rows have gone, of them {list(self.rows)[:3]}")

    def show(self, entry):
        return f"state {entry.state}, flags {entry.flags}, usage {entry.usage}, ending {entry.ending}, {entry.revisions} rows"
