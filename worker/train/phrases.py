"""Words and phrases that made-up sentences, headings, forms and names are put together from. All our own."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    """Parted by bars; line ends inside are spaces."""
    return tuple(" ".join(phrase.split()) for phrase in text.split("|"))


SYLLABLES = _words("""
    ba ber bri car cas dal den dor el fen gal gar har hol ing jor kel ker lam lin mar mel mor nel nor pen ral rin
    ros sel tam ter ton tre var vel wal wick zan
""")

GIVEN = _words("""
    Ada Agnes Albert Alice Arthur Beatrice Charles Clara Daniel Dora Edith Edward Elsie Ernest Florence Frank George
    Grace Harold Helen Henry Ida James Jane John Josef Karl Laura Louis Mabel Margaret Martha Mary Michael Nora
    Oscar Paul Peter Rose Samuel Thomas Victor Walter William
""")

SUBJECTS = _phrases("""
    The committee | Our engineer | The board of works | The clerk | The insurance company | The owner of the land |
    The parish council | My late father | The harbour office | The railway | The surveyor | Your letter | The
    architect | The new matron | The school | A deputation of tradesmen | The bank | The tenant | The museum | Our
    solicitor
""")

VERBS = _phrases("""
    has received | does not accept | was asked to examine | will send | returned | has paid for | could not find |
    wishes to sell | refused | has approved | intends to repair | reported on | was shown | ordered | has lost |
    promised | will inspect | described | made a drawing of | gave notice about
""")

OBJECTS = _phrases("""
    the account for the past quarter | both copies of the agreement | a list of the missing books | the roof of the
    eastern wing | three loads of gravel | the old boundary wall | an estimate for the drains | the minutes of the
    last meeting | a cheque for the balance | the plans of the upper floor | the water rate | two dozen iron chairs
    | the keys of the store | a complaint about the noise | the box of photographs | the lease of the mill | the
    results of the test | a parcel of seed | the bill for coal | the bridge over the stream
""")

ENDS = _phrases("""
    before the end of the month | without delay | at a cost that is not yet known | after the storm | by the evening
    train | in the presence of two witnesses | as agreed last year | on Thursday | subject to approval | with our
    thanks | for the third time | during the summer | in spite of the rain | at the request of the mayor | and asks
    for an answer | because the first was damaged | under the usual conditions | until further notice
""")

HEADINGS = _phrases("""
    Minutes | Accounts | Report of the Surveyor | Correspondence | Notice | Agenda | List of Members | Inventory |
    Conditions of Sale | Terms | Summary | Annual Statement | Register | Estimate | Repairs | Receipts | Statement
    of Claim | Instructions | Contents | Directory
""")

LABELS = _phrases("""
    Name | Address | Date | Reference | Invoice no. | Account | Telephone | Quantity | Total | Paid | Signed | Order
    | Class | Received | Due | Section | Volume | Shelf mark | Folio | Balance | Number | Place | Amount | Remarks |
    Tax | Weight
""")
