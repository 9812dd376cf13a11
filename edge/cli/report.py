"""`farline report`: a day, week or month of a node: availability, credits, latency, scores, tokens, cost, returns."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from edge.cli import report_page as page
from edge.cli import report_text as text
from edge.cli.admin_client import REFUSED, UNREACHABLE, AdminClient, AskFailed, add_options
from edge.cli.report_worth import CREDITS, Credit
from edge.history.periods import WANTED

_WIDER = {"1d": "7d", "7d": "30d", "30d": "30d"}  # in which the time before is looked up
_CREDIT_HELP = "below A %% available the vendor owes C %% of the month; default 99.9=10 and 99=30"
_EPILOG = """\
ROI of a line = (benefit - cost) / cost, per month: the cost is what you pay for it, the benefit the seconds that its
requests waited less than they would have on the baseline, at what a second is worth to you. What lines cost stands in
[[line]] cost_per_month, or is said here:
  farline report --baseline cmi --monthly-cost cn2=8000 --second-value 0.02
Credits are reckoned by calendar month on the node's own clock; a contract with other terms:
  farline report --period last-month --credit 99.95=5 --credit 99.5=20 --currency CNY
docs/report.md has the formulas.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parser."""
    parser = subparsers.add_parser(
        "report",
        help="a day, week or month",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--span", choices=[*_WIDER], default="1d", help="so long until now; default 1d")
    when.add_argument("--period", metavar="NAME", help=f"on the node's own clock: {WANTED}")
    parser.add_argument("--out", type=Path, metavar="FOLDER", default=Path(), help="for report.html, report.md, plots")
    parser.add_argument("--baseline", metavar="LINE", help="the line that the others are compared with")
    parser.add_argument("--monthly-cost", action="append", default=[], metavar="LINE=N", help="what a line costs")
    parser.add_argument("--second-value", type=float, metavar="N", help="what a second less to wait is worth")
    parser.add_argument("--credit", action="append", default=[], metavar="A=C", help=_CREDIT_HELP)
    parser.add_argument("--currency", default="", metavar="WORD", help="said behind amounts")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0; 1 the node refuses or a file can't be written; 2 no node answers, or wrong usage."""
    try:
        client, worth = AdminClient.of(args), _worth(args)
        made = page.build(_look_back(client, args.period) if args.period else _look(client, args.span), worth)
        args.out.mkdir(parents=True, exist_ok=True)
        files = {"report.html": text.html(made), "report.md": text.markdown(made), **text.plots(made)}
        for name, content in files.items():
            (args.out / name).write_text(content, "utf-8")
            print(args.out / name)
    except AskFailed as failed:
        print(f"farline report: {failed}", file=sys.stderr)
        return failed.code
    except OSError as error:
        print(f"farline report: {error}", file=sys.stderr)
        return REFUSED
    return 0


def _look(client: AdminClient, span: str) -> dict[str, Any]:
    """So long until now; credits of the month before and of this one."""
    told = _asked(client, f"span={span}") | {"span": span}
    told["before"] = _ask(client, f"history/lines?span={_WIDER[span]}&series=true")
    return told | {"months": _months(client, ("last-month", "this-month"))}


def _look_back(client: AdminClient, period: str) -> dict[str, Any]:
    """A period on the node's own clock; credits of the months in which it lies."""
    told = _asked(client, urlencode({"period": period}))
    about = told["sums"]
    told |= {"span": about["span"], "before": _ask(client, f"history/lines?period={about['before']}")}
    return told | {"months": _months(client, about["months"])}


def _asked(client: AdminClient, when: str) -> dict[str, Any]:
    asked = {
        "nodes": "nodes",
        "lines": "lines",
        "sums": f"history/lines?{when}",
        "node": f"history/node?{when}",
        "keys": f"history/keys?{when}",
        "charts": f"history/lines?{when}&series=true",
        "events": f"history/events?{when}&limit=5000&type=health",
        "relays": f"history/relays?{when}",
        "relay_charts": f"history/relays?{when}&series=true",
    }
    return {name: _ask(client, path) for name, path in asked.items()}


def _months(client: AdminClient, names: Iterable[str]) -> dict[str, Any]:
    """Sums of lines by month; of a month of which nothing is known there are none."""
    found = [_ask(client, f"history/lines?period={name}") for name in names]
    return {each["span"]: each for each in found}


def _ask(client: AdminClient, path: str) -> Any:
    return client.ask("GET", f"/api/v1/{path}")


def _worth(args: argparse.Namespace) -> page.Worth:
    costs = {}
    for each in args.monthly_cost:
        line, _, number = each.partition("=")
        try:
            costs[line] = float(number)
        except ValueError:
            raise AskFailed(f"--monthly-cost {each}: expected LINE=N", UNREACHABLE) from None
    credits = tuple(map(_credit, args.credit)) or CREDITS
    return page.Worth(args.baseline, costs, args.second_value, credits, args.currency)


def _credit(text: str) -> Credit:
    below, _, share = text.partition("=")
    try:
        return Credit(float(below) / 100, float(share) / 100)
    except ValueError:
        raise AskFailed(f"--credit {text}: expected PERCENT=PERCENT, such as 99.9=10", UNREACHABLE) from None
