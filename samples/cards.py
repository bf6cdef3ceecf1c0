"""Makes the cards that the mini model is shown with: `python -m samples.cards` writes cards.zip and cards.json.

Twelve index cards of the harbour office, 256 x 256 pixels, drawn with the generator that the model was trained with
(`worker/train`), in its faces and its wear. The words are not among those it was trained on. The same versions of
Pillow, NumPy and OpenCV give the same bytes. Needs the Debian packages fonts-dejavu, fonts-liberation and
fonts-freefont-ttf, which using the committed cards does not.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import zipfile
from pathlib import Path

from PIL import Image

from worker.train.curriculum import cards
from worker.train.fonts import faces
from worker.train.measure import usual
from worker.train.pages import Page, make_page
from worker.train.text import Said

SEED = 1953
HERE = Path(__file__).parent
_STAMP = (2019, 11, 4, 9, 0, 0)

# Not longer than 120 characters each; parted by what cards of an index are parted by.
TEXTS = (
    "Berth 4 is let to the widow Keane until March. The rent of 14.50 was paid at the office.",
    "Crane no. 2 stands still since Monday. The chain is worn. Order BX-7731 has gone to the foundry.",
    "The dredger Comet took 812 loads from the inner basin. Depth at low water is now 19 feet.",
    "Lost in the fog: one anchor, two oars, a brass lamp. Finder please write to the harbour master.",
    "Coal for the light house, 36 bags, came with the steamer Ariel on 9.2.1931 and was weighed.",
    "Pilot Daniel Farrow is off duty from Friday. His boat no. 17 goes to Peter Morwick.",
    "A swarm of bees has settled in the signal mast. Nobody was stung. The keeper was sent for.",
    "Slipway: four planks are rotten. The carpenter asks 23.75 for oak and for two days of work.",
    "Registered today: the ketch Rose of Tralin, 41 tons, of which Samuel Garrick owns one half.",
    "The tide gauge at the north pier was read at 7.40. It showed 12.86, the highest since 1902.",
    "Fish market: the scales were tested and sealed. Stall 9 has to pay a fine of 5 shillings.",
    "The school asks to see the lifeboat on Tuesday. Thirty children, two teachers, no cost.",
)


class _One:
    """Says one text, whatever is asked for (`worker.train.text.Texts`)."""

    def __init__(self, text: str) -> None:
        self._words = tuple(text.split())

    def say(self, _rng: random.Random, _chars: int, _unguessable: float = 0.0) -> Said:
        return Said(self._words, (True,) * len(self._words))


def make_cards() -> list[Page]:
    """One page for each text, all of it on the card."""
    wanted, known = usual(cards(1).stages[-1]), faces().named(cards(1).stages[-1].faces)
    made = []
    for number, text in enumerate(TEXTS):
        seed = SEED + 1000 * number
        while (page := make_page(wanted, seed, _One(text), known)).text.split() != text.split():
            seed += 1  # this type was too large for so many words
        made.append(page)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m samples.cards", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=HERE)
    out = parser.parse_args().out
    truth = {}
    with zipfile.ZipFile(out / "cards.zip", "w", zipfile.ZIP_STORED) as archive:
        for number, page in enumerate(make_cards(), 1):
            name = f"card-{number:02}.png"
            buffer = io.BytesIO()
            Image.fromarray(page.pixels).save(buffer, "PNG", optimize=True)
            archive.writestr(zipfile.ZipInfo(name, _STAMP), buffer.getvalue())
            truth[name] = page.text
    (out / "cards.json").write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
