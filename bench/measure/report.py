"""From figures to docs/benchmarks.md: what stands between the marks is written, the rest is left."""

from dataclasses import dataclass, field
from pathlib import Path

BEGIN, END = "<!-- figures: written by bench/run -->", "<!-- end of figures -->"


@dataclass
class Report:
    """Sections of Markdown and the aims, in the order they are added."""

    sections: list[str] = field(default_factory=list)
    aims: list[list[str]] = field(default_factory=list)

    def section(self, title: str, text: str, head: list[str], rows: list[list[str]]) -> None:
        """A heading, a sentence, a table."""
        self.sections.append(f"### {title}\n\n{text}\n\n{table(head, rows)}")

    def aim(self, what: str, most: float, got: float, unit: str) -> None:
        """One figure against the most that it may be."""
        met = "met" if got <= most else "**not met**"
        self.aims.append([what, f"at most {most:g} {unit}", f"{number(got)} {unit}", met])

    def aim_unmeasured(self, what: str, most: float, unit: str, how: str) -> None:
        """One that this run did not measure, and what would."""
        self.aims.append([what, f"at most {most:g} {unit}", "not measured", how])

    def aim_at_least(self, what: str, least: float, got: float, unit: str) -> None:
        """One figure against the least that it may be."""
        met = "met" if got >= least else "**not met**"
        self.aims.append([what, f"at least {least:g} {unit}", f"{number(got)} {unit}", met])

    def markdown(self) -> str:
        """All of it, the aims first."""
        aims = table(["Aim", "", "measured", ""], self.aims)
        return "\n\n".join([f"### Aims\n\n{aims}", *self.sections])

    def write(self, file: Path) -> None:
        """Puts it between the marks of a file."""
        text = file.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        _, after = rest.split(END)
        file.write_text(f"{before}{BEGIN}\n\n{self.markdown()}\n\n{END}{after}", encoding="utf-8")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, the first column to the left, figures to the right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def number(value: float) -> str:
    """Three significant digits or so, as a person would say it."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(value: float, base: float) -> str:
    """How many times the base it is."""
    return f"{value / base:.1f}x" if base else "–"
