"""How the pages look: one frame, plain HTML and CSS, no script."""
import html

from ..api import Answer

STYLE = """
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6875; --line: #dfe4ea; --paper: #fff; --ground: #f3f5f8; --act: #2c5282; --bad: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
.notice { background: #fff4cf; border-bottom: 1px solid #e8d48a; padding: .6rem 1rem; text-align: center; font-size: .9rem; }
main { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; display: grid; gap: 2rem; grid-template-columns: 1fr 1.2fr; align-items: start; }
main.one { grid-template-columns: minmax(0, 40rem); justify-content: center; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 1.5rem; }
section.bare { background: none; border: none; padding: .5rem 0; }
h1 { font-size: 1.1rem; font-weight: 600; margin: 0 0 .25rem; color: var(--soft); }
h2 { font-size: 1.1rem; margin: 0 0 1rem; }
.amount { font-size: 2.2rem; font-weight: 650; margin: 0 0 1rem; letter-spacing: -.02em; }
table { width: 100%; border-collapse: collapse; }
td { padding: .45rem 0; border-top: 1px solid var(--line); vertical-align: top; }
td:last-child { text-align: right; white-space: nowrap; padding-left: 1rem; }
tr.sum td { font-weight: 650; }
small, .soft { color: var(--soft); font-size: .875rem; }
fieldset { border: 1px solid var(--line); border-radius: 8px; margin: 0 0 1rem; padding: .25rem .75rem .5rem; }
legend { padding: 0 .35rem; color: var(--soft); font-size: .875rem; }
.choice { display: flex; gap: .6rem; align-items: baseline; padding: .2rem 0; font-size: .95rem; }
.choice code { margin-left: auto; color: var(--soft); font-size: .8rem; white-space: nowrap; }
label.field { display: block; margin: 0 0 1rem; }
label.field input { display: block; width: 100%; margin-top: .25rem; padding: .55rem .7rem; border: 1px solid #b9c2cc; border-radius: 6px; font: inherit; }
button, a.button { display: inline-block; font: inherit; font-weight: 600; border: 1px solid transparent; border-radius: 6px; padding: .65rem 1.1rem; cursor: pointer;
  text-decoration: none; }
button.main { background: var(--act); color: #fff; width: 100%; }
.bar { position: sticky; bottom: 0; background: var(--paper); padding: .75rem 0; border-top: 1px solid var(--line); display: flex; gap: .75rem; }
button.main:hover { background: #234069; }
button.other, a.button { background: none; border-color: #b9c2cc; color: var(--ink); }
:focus-visible { outline: 3px solid #8fb3e0; outline-offset: 2px; }
.row { display: flex; gap: .75rem; align-items: center; flex-wrap: wrap; margin-top: .75rem; }
.problem { border-left: 4px solid var(--bad); background: #fdecea; padding: .6rem .9rem; border-radius: 4px; margin: 0 0 1rem; }
.done { border-left: 4px solid #2e7d32; background: #edf7ed; padding: .6rem .9rem; border-radius: 4px; margin: 0 0 1rem; }
@media (max-width: 46rem) { main { grid-template-columns: 1fr; margin: 1rem auto; gap: 1rem; } }
"""


def esc(text):
    return html.escape(str(text))


def page(title, *sections, status=200, bare_first=False):
    """One section beside the other; one alone stands in the middle."""
    parts = [f"<section{' class=bare' if bare_first and index == 0 else ''}>{part}</section>" for index, part in enumerate(sections)]
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{esc(title)} (stand-in for Stripe)</title>
<style>{STYLE}</style></head><body>
<div class="notice"><strong>This is a stand-in for Stripe, for tests.</strong> No card is real and no money moves.</div>
<main{'' if len(parts) > 1 else ' class="one"'}>{''.join(parts)}</main></body></html>"""
    return Answer(status, text.encode(), {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"})


def problem(text):
    return f"<p class='problem' role='alert'>{esc(text)}</p>" if text else ""


def bar(*buttons):
    """Buttons that stay in sight however long the form is."""
    return f"<div class='bar'>{''.join(buttons)}</div>"


def rows(pairs, total=None):
    """A table of (what, how much), and the sum."""
    body = "".join(f"<tr><td>{what}</td><td>{esc(much)}</td></tr>" for what, much in pairs)
    if total:
        body += f"<tr class='sum'><td>{esc(total[0])}</td><td>{esc(total[1])}</td></tr>"
    return f"<table>{body}</table>"


def choices(groups, chosen="visa"):
    """Test cards to choose from: [(title, cards)]."""
    out = []
    for title, cards in groups:
        if cards:
            out.append(f"<fieldset><legend>{esc(title)}</legend>" + "".join(_choice(card, card.name == chosen) for card in cards) + "</fieldset>")
    return "".join(out)


def _choice(card, chosen):
    number = " ".join(card.number[i:i + 4] for i in range(0, len(card.number), 4)) if not card.bank else "•••• " + card.last4
    return (f"<label class='choice'><input type='radio' name='card' value='{card.name}' id='card-{card.name}'{' checked' if chosen else ''}>"
            f"<span>{esc(card.title[0].upper() + card.title[1:])}</span><code>{number}</code></label>")
