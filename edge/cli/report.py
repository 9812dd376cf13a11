"""`farline report`: the last day or week of a node: availability, latency, tokens, cost, the return on lines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from edge.cli import report_page as page
from edge.cli.admin_client import REFUSED, UNREACHABLE, AdminClient, AskFailed, add_options

_WIDER = {"1d": "7d", "7d": "30d"}  # in which the time before is looked up
_EPILOG = """\
ROI of a line = (benefit - cost) / cost, per month: the cost is what you pay for it, the benefit the seconds that its
requests waited less than they would have on the baseline, at what a second is worth to you:
  farline report --baseline cmi --monthly-cost cn2=8000 --second-value 0.02
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parser."""
    parser = subparsers.add_parser(
        "report",
        help="the last day or week",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument("--span", choices=[*_WIDER], default="1d", help="default 1d")
    parser.add_argument("--out", type=Path, metavar="FOLDER", default=Path(), help="for report.html and report.md")
    parser.add_argument("--baseline", metavar="LINE", help="the line that the others are compared with")
    parser.add_argument("--monthly-cost", action="append", default=[], metavar="LINE=N", help="what a line costs")
    parser.add_argument("--second-value", type=float, metavar="N", help="what a second less to wait is worth")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0; 1 the node refuses or a file can't be written; 2 no node answers, or wrong usage."""
    try:
        made = page.build(_look(AdminClient.of(args), args.span), _worth(args))
        args.out.mkdir(parents=True, exist_ok=True)
        for name, text in (("report.html", page.html(made)), ("report.md", page.markdown(made))):
            (args.out / name).write_text(text, "utf-8")
            print(args.out / name)
    except AskFailed as failed:
        print(f"farline report: {failed}", file=sys.stderr)
        return failed.code
    except OSError as error:
        print(f"farline report: {error}", file=sys.stderr)
        return REFUSED
    return 0


def _look(client: AdminClient, span: str) -> dict[str, Any]:
    asked = {
        "nodes": "nodes",
        "lines": "lines",
        "sums": f"history/lines?span={span}",
        "node": f"history/node?span={span}",
        "keys": f"history/keys?span={span}",
        "relays": f"history/relays?span={span}",
        "relay_charts": f"history/relays?span={span}&series=true",
        "charts": f"history/lines?span={span}&series=true",
        "before": f"history/lines?span={_WIDER[span]}&series=true",
        "events": f"history/events?span={span}&limit=5000&type=health",
    }
    return {name: client.ask("GET", f"/api/v1/{path}") for name, path in asked.items()} | {"span": span}


def _worth(args: argparse.Namespace) -> page.Worth:
    costs = {}
    for each in args.monthly_cost:
        line, _, number = each.partition("=")
        try:
            costs[line] = float(number)
        except ValueError:
            raise AskFailed(f"--monthly-cost {each}: expected LINE=N", UNREACHABLE) from None
    return page.Worth(args.baseline, costs, args.second_value)
