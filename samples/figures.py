"""Line drawings for the reports, without lettering, so that a page's true text is only its type."""

from __future__ import annotations

import math
import random

from samples.marks import Mark, Stroke


def figure(kind: str, wide: float, high: float) -> list[Mark]:
    """A drawing of a kind (`bars`, `curve`, `section`, `chart`, `plan`) in a frame of this size."""
    draw = {"bars": _bars, "curve": _curve, "section": _section, "chart": _chart, "plan": _plan}[kind]
    frame = Stroke(((0.0, 0.0), (wide, 0.0), (wide, high), (0.0, high), (0.0, 0.0)), 0.8)
    return [frame, *draw(wide, high, random.Random(f"{kind}{wide:.0f}"))]


def signature(size: float) -> list[Mark]:
    """A flourish such as a pen makes; nobody can read it."""
    points = []
    for step in range(60):
        t = step / 59
        points.append((size * (1 + 9 * t + 0.9 * math.sin(t * 31)), size * (1.7 + 0.9 * math.cos(t * 23) * (1 - t))))
    return [Stroke(tuple(points), 1.1, colour="pen")]


def _bars(wide: float, high: float, rng: random.Random) -> list[Mark]:
    marks: list[Mark] = []
    count = 11
    step = wide * 0.86 / count
    for at in range(count):
        x, top = wide * 0.07 + at * step, high * (0.9 - 0.7 * rng.random())
        box = ((x, high * 0.92), (x, top), (x + step * 0.62, top), (x + step * 0.62, high * 0.92), (x, high * 0.92))
        marks += [Stroke(box, 0.0, fill=0.45 if at % 2 else 0.7), Stroke(box, 0.6)]
    return [*marks, Stroke(((wide * 0.05, high * 0.92), (wide * 0.95, high * 0.92)), 1.0)]


def _curve(wide: float, high: float, rng: random.Random) -> list[Mark]:
    marks: list[Mark] = [
        Stroke(((wide * 0.08, high * y), (wide * 0.94, high * y)), 0.3) for y in (0.2, 0.38, 0.56, 0.74, 0.92)
    ]
    for phase, weight in ((rng.random() * 3, 1.4), (rng.random() * 3 + 2, 0.8)):
        points = [
            (wide * (0.08 + 0.86 * t / 80), high * (0.55 - 0.28 * math.sin(phase + t / 11) - 0.06 * math.sin(t / 3)))
            for t in range(81)
        ]
        marks.append(Stroke(tuple(points), weight))
    return marks


def _section(wide: float, high: float, rng: random.Random) -> list[Mark]:
    wall = ((0.36, 0.9), (0.42, 0.16), (0.6, 0.16), (0.72, 0.9), (0.36, 0.9))
    marks: list[Mark] = [Stroke(tuple((wide * x, high * y) for x, y in wall), 0.0, fill=0.82)]
    marks.append(Stroke(tuple((wide * x, high * y) for x, y in wall), 1.2))
    for course in range(1, 8):
        y = 0.16 + course * 0.74 / 8
        left, right = 0.36 + (0.9 - y) / 0.74 * 0.06, 0.6 + (y - 0.16) / 0.74 * 0.12
        marks.append(Stroke(((wide * left, high * y), (wide * right, high * y)), 0.5))
    sea = [(wide * 0.36 * t / 30, high * (0.45 + 0.015 * math.sin(t))) for t in range(31)]
    bed = [(wide * t / 30, high * (0.9 + 0.03 * rng.random())) for t in range(31)]
    return [*marks, Stroke(tuple(sea), 0.8), Stroke(tuple(bed), 1.0)]


def _chart(wide: float, high: float, rng: random.Random) -> list[Mark]:
    marks: list[Mark] = []
    for ring in range(1, 6):
        points = []
        for step in range(61):
            angle = step / 60 * 2 * math.pi
            radius = ring * 0.085 * (1 + 0.16 * math.sin(3 * angle + ring * 0.4))
            points.append((wide * (0.5 + radius * 1.05 * math.cos(angle)), high * (0.5 + radius * math.sin(angle))))
        marks.append(Stroke(tuple(points), 0.6))
    for _ in range(14):
        x, y = wide * (0.06 + 0.88 * rng.random()), high * (0.08 + 0.84 * rng.random())
        marks += [Stroke(((x - 2, y), (x + 2, y)), 0.7), Stroke(((x, y - 2), (x, y + 2)), 0.7)]
    return marks


def _plan(wide: float, high: float, rng: random.Random) -> list[Mark]:
    marks: list[Mark] = []
    for column in range(4):
        for row in range(2):
            x, y = wide * (0.08 + 0.22 * column), high * (0.14 + 0.42 * row)
            w, h = wide * (0.14 + 0.05 * rng.random()), high * 0.28
            marks.append(Stroke(((x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)), 1.0))
    return [*marks, Stroke(((wide * 0.04, high * 0.49), (wide * 0.96, high * 0.49)), 2.2)]
