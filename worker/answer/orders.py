"""Whether a page speaks to a language model: "ignore all previous instructions" and its kin.

Such a page is found by search and shown like any other, but is no source of an answer. This is a list of known
phrasings and no proof: it keeps out what is planted in numbers, and leaves the rest to the borders that hold anyway
(documents are data in one JSON object, no tools, one tenant, every claim with a quote from a page that was shown). The
phrasings are those that letters, rules, exam papers and manuals do not use: "these rules supersede all previous rules"
is none of them. Pure function over text.
"""

from __future__ import annotations

import re
import unicodedata

from worker.answer.harmless import unseen_removed
from worker.answer.orders_abroad import ABROAD, in_latin

MOST_CHARS = 100_000
"""Of a page that are looked at, from its beginning: a dense page has 10,000."""

_TAGS = re.compile("[\U000e0020-\U000e007e]{4}")
"""Unicode tags are invisible ASCII; no scanned or printed page has them."""
_MARKS = re.compile(r"[*_~`\u00ad\u200c\u200d]")
_SPACED = re.compile(r"\b(?:\w ){3,}\w\b|\b(?:\w ){2}\w(?=\s\s)")
_DOTTED = re.compile(r"\b(?:[^\W\d_][-.]){3,}[^\W\d_]\b")
_CELL = re.compile(r"(?<!<)\|(?!>)(?:[ \t]*:?-+:?[ \t]*\|)*")
"""A border of a table's cells, and a rule below its header: an order may run over them."""
_HYPHEN = re.compile(r"(?<=\w)-[ \t]{0,9}\n[ \t]{0,9}(?=\w)")
_LEET = (
    "1gnor",
    "1gn0r",
    "ign0r",
    "d1sreg",
    "disreg4rd",
    "f0rget",
    "f0rg3t",
    "0verrid",
    "0v3rrid",
    "1nstruct",
    "struct10n",
    "lgnor",
)
_LETTERS = str.maketrans("01345", "oieas")

_MODEL = r"(?:ai|llms?|gpt|chatbots?|chatgpt|(?:large )?language models?|ai (?:models?|assistants?|systems?|agents?))"
_TO_MODEL = rf"(?:to|for) (?:(?:all|any|every|the|an?|this|whichever) )*{_MODEL} ?:"
_TOLD = r"[\"'“‘«„\d]"
"""What a model is to say word for word begins so; "answer all questions with whole sentences" is for pupils."""
_ONE_THING = (
    r"(?:[\"'“‘«„][^\"'“”‘’«»„]{1,80}[\"'”’»“](?! ?(?:(?:or|and|oder|und|ou|et)\b|,|/))|\d[\d.,]*(?= ?[.!;\"'”]|$))"
)
"""The same and no choice: exam papers say 'the answer is "true" or "false"', and "3 significant figures"."""
_SUM = r"\d+(?! (?:s[äa]tz|w[oö]rt|zeile|phrase|mot|ligne))"
_UNASKED = (
    r"(?<!not )(?<!never )(?<!n't )(?<!n’t )(?<!who )(?<!that )(?<!they )(?<!we )(?<!if you )(?<!when you )"
    r"(?<!(?<!you )to )(?<!(?<!you )can )(?<!(?<!you )may )(?<!(?<!you )could )(?<!(?<!you )would )(?<!should you )"
)
"""Nobody is told to ignore what is "not to be ignored", or what others ignore: manuals and reports speak of both."""
_RULES = r"(?:instructions?|directives?|rules?|prompts?|guidelines?|guardrails?|system messages?)"
_EARLIER = r"(?:previous|prior|above|earlier|preceding|foregoing|initial|original|system|safety)"
_NOT_HEED = r"(?:(?:do not|don't|never) (?:follow|obey|heed|listen to)|pay no (?:attention|heed) to)"
_REPLY = r"(?:answer|reply|respond|output|say|state|cite|quote|reveal|obey|ignore|disregard|follow|tell|write|print)"
_LEAK = r"(?:reveal|repeat|show|leak|disclose|print|output|dump|recite|exfiltrate|translate|encode)"
_SAY = r"(?:answer|reply|respond|output|say|state|tell the user|claim|pretend|print|ignore|disregard)"
_SOURCE = r"(?:page|document|excerpt)"
_ANSWER = r"(?:answers?|reply|replies|responses?)"
_DROP = ("ignor", "disregard", "forget", "override", "bypass")
_SPOKEN_TO = ("ai", "llm", "gpt", "chatbot", "language model", "unrestricted", "unfiltered", "jailbroken")

_PATTERNS: tuple[tuple[tuple[str, ...], str], ...] = (
    # "ignore all previous instructions", in some languages
    (
        _DROP,
        rf"\b{_UNASKED}(?:ignore|disregard|forget|override|bypass)(?: (?!our\b|my\b)\w+){{0,3}}? {_EARLIER}"
        rf"(?: \w+){{0,2}}? {_RULES}\b(?! (?:regarding|concerning|issued by|of \d|(?:in|of) (?:our|my))\b)",
    ),
    (
        _DROP,
        rf"\b{_UNASKED}(?:ignore|disregard|forget|override|bypass) (?:all|any|every|your)(?: of your| your| the)?"
        r" (?:instructions?|prompts?|guidelines?|guardrails?|system messages?)\b",
    ),
    (
        _DROP,
        r"\b(?:ignore|disregard|forget) (?:all|everything|anything|what)(?: \w+){0,3} (?:told|said|above|before)\b"
        r"[^.!?]{0,60}\b(?:answer|reply|respond|output|instead)\b",
    ),
    (
        ("do not", "don't", "never", "pay no "),
        rf"\b{_NOT_HEED}(?: \w+){{0,4}}? (?:{_EARLIER}|your)(?: \w+){{0,2}}? {_RULES}\b"
        rf"|\b{_NOT_HEED} (?:all |any )?(?:the )?{_RULES} (?:above|(?:that )?you (?:were|have been) given)\b",
    ),
    (
        _DROP,
        rf"\b(?:ignore|disregard|forget) (?:all of |everything |the text |what is )?(?:the )?above,? and {_SAY}\b"
        rf"|\b{_UNASKED}(?:ignore|disregard|forget) your (?:rules|training|restrictions)\b"
        r"|\b(?:ignore|disregard) the (?:(?:user|human|reader)(?:'|\u2019)?s? )?(?:question|query|request)[.,;:! ]+"
        rf"(?:and |instead,? )*(?:{_SAY}|write)\b",
    ),
    (
        ("your ", " instead"),
        rf"\byour {_EARLIER} (?:rules|guidelines|prompts?|guardrails) (?:are|were|is|have|has)(?: \w+){{0,2}}? "
        r"(?:void|changed|replaced|updated|cancelled)\b|\bfollow (?:these|mine)(?: \w+){0,2} instead\b",
    ),
    (
        ("ignorier", "vergiss", "missachte"),
        r"\b(?:ignorier|vergiss|missacht)\w*(?: \w+){0,2},? (?:alles|was)\b[^.!?]{0,40}\bantwort",
    ),
    (
        ("antwort",),
        r"\b(?:antworte|beantworte)t?\b(?: \w+){0,2} (?:jede|alle|jegliche)n? fragen? [^.!?]{0,20}\bmit"
        rf" (?:{_ONE_THING}|{_SUM}|(?:dem|den) (?:wort|worten|wörtern|satz|text)\b(?!,))",
    ),
    (
        ("répond",),
        r"\brépond\w*(?: \w+){0,1} (?:à )?(?:toutes les|chaque|toute) questions? (?:par|avec)"
        rf" (?:{_ONE_THING}|{_SUM}|les? (?:mots?|nombre|chiffre)\b(?! d)|la phrase\b)",
    ),
    *ABROAD,
    (
        ("you were", "you have", "you had", "you got", "you received"),
        r"\b(?:ignore|disregard|forget|discard|(?:set|put) aside) (?:all|everything|anything|what(?:ever)?)(?: that)?"
        rf" you (?:were|have been|had been) (?:told|given|taught) before this (?:{_SOURCE}|text)\b"
        rf"|\bthis (?:page|excerpt|text) (?:has (?:priority|precedence)|takes precedence) over (?:\w+ ){{0,3}}?"
        rf"{_RULES} (?:that )?you (?:have )?(?:received|(?:were|been) given|got)\b"
        rf"|\b{_UNASKED}stop (?:following|obeying) (?:all |any )?(?:the )?{_RULES} (?:that )?you (?:were|have been)"
        r" given\b",
    ),
    (
        ("your ",),
        r"\byour (?:instructions|prompt|guidelines) (?:are|were|is|has been|have been)(?: now)? (?:void|cancelled"
        r"|superseded|overridden|replaced) by (?:this (?:page|excerpt|text)|what follows)\b"
        rf"|\b(?:treat|regard|take) this (?:{_SOURCE}|text) as your (?:new |only )?"
        r"(?:system (?:message|prompt|instructions?)|prompt)\b",
    ),
    # a model spoken to, or spoken of as one that obeys
    (
        _SPOKEN_TO,
        rf"\b(?:dear|attention|attn|hey|hello|(?:note|notice|message|order|instructions?|memo) (?:to|for))[,:]? "
        rf"(?:(?:all|any|every|the|an?|this|whichever|you) )*{_MODEL}\b",
    ),
    (_SPOKEN_TO, rf"\b(?:if|as|since|because) (?:you are|you're) (?:an? |the )?{_MODEL}\b"),
    (
        _SPOKEN_TO,
        rf"\b(?:you are|you're|act as|behave as|pretend to be|pretend you are)(?: now)?(?: \w+,?){{0,3}}? "
        rf"(?:{_MODEL}\b|unrestricted\b|unfiltered\b|jailbroken\b)",
    ),
    (
        _SPOKEN_TO,
        r"\b(?:the|this|any|every|an?) (?:ai(?! (?:act|office|board|committee|regulation|strategy|policy)\b)"
        r"|language model|ai model|ai assistant|llm|chatbot)\b[^.!?]{0,40}"
        r"\b(?:must|should|shall|will|has to)(?: (?:now|always|only|never|not))* (?:(?:obey|ignore|disregard)\b"
        rf"|{_REPLY}(?: only)?(?:(?: with)?(?: ?[:\"'“‘]| \d| (?:yes|no|nothing)\b"
        r"| the (?:words?|phrase|number|user)\b)| that (?!it\b|they\b)| (?:this|these|every|all|any|your)\b))",
    ),
    (
        _SPOKEN_TO,
        rf"\b(?:to|for) (?:(?:all|any|every|the|an?|this|whichever) )*{_MODEL} only\b"
        rf"|\b{_MODEL} (?:reads?|reading|processing|indexing|scanning|summari[sz]ing|parsing)"
        r" (?:this|the) (?:page|document|text|file)\b",
    ),
    # At a line's beginning or a sentence's: "Guidelines for AI: a review" is a title.
    (_SPOKEN_TO, rf"^[ >\"'#(-]*{_TO_MODEL}"),
    (_SPOKEN_TO, rf"[.!?:;][ \"'(]{{1,3}}{_TO_MODEL}"),
    (
        ("automated", "machine", "robot", "reader model"),
        r"\bto (?:any|all|every|the) (?:automated|machine|robot) \w+ (?:reading|processing|parsing) this\b"
        r"|\binstructions? (?:to|for) (?:(?:all|any|every|the|an?) )*(?:reader model"
        r"|(?:automated|machine|robot) (?:readers?|models?|agents?|assistants?))\b",
    ),
    (
        ("assistant", "model "),
        r"(?:\bas the |@|<!-- ?)(?:assistant|ai|language model)\b[,:]? (?:(?:please|you|must|should|will|shall) )*"
        rf"{_SAY}\b|\bassistant[,:] (?:please )?(?:{_SAY}\b|your (?:new |real |only )?task)"
        r"|\bthe model (?:must|shall|should|will)(?: (?:now|always|only))* (?:answer|reply|say|obey)\b",
    ),
    (
        ("gpt", "gemini"),
        rf"\b(?:chat ?gpt|gpt-?\d\w*)[,:]? (?:(?:please|you|must|should|will|now) )*{_REPLY}\b"
        r"|\bgemini[,:] (?:please )?(?:answer|reply|respond)\b",
    ),
    (
        ("engine", "whoever", "anyone", "a machine", "a bot", "a program"),
        r"\b(?:note|notice|message|instructions?|order) (?:to|for) (?:the|any|every)"
        r" (?:answering (?:engine|system|program)|question[- ]answering (?:engine|system|service|machine|program))\b"
        rf"|\b(?:whoever|anyone who) summari[sz]es this (?:{_SOURCE}|text|archive|file) (?:must|shall|should|will"
        rf"|has to) {_SAY}\b(?! (?:(?:its|their|in|wh\w+|how|so|that (?:it|this))\b|the (?:source|author)))"
        rf"|\byou (?:are|must be) a (?:machine|bot|program)[;,:.] (?:so )?(?:please )?{_SAY}\b",
    ),
    ((" dan",), r"\byou are (?:now )?dan\b"),
    (
        ("new ", "real ", "actual "),
        r"\b(?:new|real|actual) (?:task|objective|goal|prompt|instructions?|rules?)(?: is| are)?(?: to|[:.,])+ ?"
        r"(?:only )?(?:output|answer|reply|respond|print|say|tell the user|ignore)\b",
    ),
    (
        ("the user", "the human"),
        r"\bthe (?:real )?(?:user|human)(?: \w+)? (?:wants|asks|asked|expects|needs|requests|requested|authori[sz]ed)"
        rf" you to (?:{_REPLY}|{_LEAK}|claim|forget)\b",
    ),
    (
        (" mode",),
        r"\b(?:(?:god|jailbreak) mode (?:is |now )*(?:on|enabled|activated|active)\b"
        r"|developer mode (?:enabled|activated)[.!:])",
    ),
    ((" mode",), r"\b(?:enter|enable|activate|switch to) (?:god|jailbreak) mode\b"),
    (
        ("from now on", "henceforth"),
        rf"\b(?:from now on|henceforth),? (?:you (?:will|must|shall|are to|only|always) )?(?:always |only )?{_REPLY}\b"
        rf"[^.!?:]{{0,80}}?(?: with (?:the (?:words?|phrase|number)\b(?! of)|{_TOLD})|: ?{_ONE_THING}"
        r"| (?:every|all|any) (?:questions?|quer(?:y|ies)) (?:with|as)\b)",
    ),
    (("system ",), r"\bsystem (?:prompt|override) ?[:=]"),
    # what to reply, in this service's terms
    (
        ("asked", "asks", "question", "query"),
        r"\b(?:when|whenever|if)\b[^.!?]{0,60}\b(?:asked|asks|question|query)\b[^.!?]{0,80}\b(?:always|you must"
        r"|you should|you will|instead|only) (?:answer|reply|respond|output|say)(?: with)?(?: ?[:\"'“‘]| \d| that\b"
        r"| (?:yes|no|nothing)\b| the (?:words?|phrase|number)\b)",
    ),
    (
        ("question", "quer", "prompt"),
        r"\b(?:answer|reply|respond) (?:to )?(?:all|every|each|any)(?: \w+)? (?:questions?|quer(?:y|ies)|prompts?)"
        rf" (?:by saying\b|with(?: ?:| (?:the (?:words?|phrase|number)\b(?! of)|{_ONE_THING})))",
    ),
    (
        ("question", "quer"),
        r"\b(?:say|output)\b[^.!?]{0,40}\bto (?:every|all|any) (?:questions?|quer(?:y|ies))\b"
        r"|\b(?:correct|right|true|only) answer to (?:every|all|any|each) (?:questions?|quer(?:y|ies))\b[^.!?]{0,50}"
        rf"\bis (?:always |only )?{_ONE_THING}"
        rf"|\bfor (?:any|every|each|all) (?:questions?|quer(?:y|ies))\b[^.!?]{{0,60}},? (?:the|your) {_ANSWER}"
        rf" (?:is|must be) {_ONE_THING}"
        r"|\b(?:answer|reply|respond|say)\b[^.!?]{0,40}\b(?:regardless of|no matter)(?: what)? the (?:question|query)"
        r"\b",
    ),
    (
        ("answer", "reply", "replies", "response"),
        rf"\b(?:your|every|each|any|all|the) {_ANSWER}(?: you give)? (?:must|should|shall|has to|have to|will)"
        rf" (?:only |always )?(?:be {_ONE_THING}|contain the words?\b|include the (?:words?|link|image)\b"
        r"|(?:begin|start|end) with the words?\b(?! of))"
        rf"|\b(?:begin|start|end|finish) (?:your|every|each|all|any) {_ANSWER} with"
        r" (?:the (?:words?|phrase)\b(?! of)|[\"'“‘])"
        rf"|\bprefix (?:your|every|each|all|any) {_ANSWER}\b(?! with (?:the|its|a) (?:question|number|letter))"
        r"|\bin your (?:answers?|responses?), (?:refer to [^.!?]{1,60} as (?!well\b)|(?:claim|pretend|call)\b)",
    ),
    (
        ("answering", "summari"),
        r"\bwhen (?:you are )?(?:answering|summari[sz]ing)\b[^.!?]{0,40}"
        r"\b(?:claim|pretend|(?:say|state|report|answer) that)\b"
        r"|\bsummari[sz]e this (?:page|document|text) as (?!an? |briefly|shortly|far|you|well|soon|it )",
    ),
    (
        ("do not ", " this "),
        r"\bdo not (?:answer|cite|quote|trust)\b[^.!?]{0,40}\bother (?:documents?|pages?|excerpts?)\b"
        rf"|\b(?:trust|cite|quote) (?:only (?:from )?this {_SOURCE}|this {_SOURCE} (?:only|alone))\b"
        r"(?! (?:with|by|as|if|when|after|under|numbers?)\b)"
        rf"|\b(?:quote|cite) any {_SOURCE} (?:but|except|other than) this\b",
    ),
    (("not found",), r"\b(?:say|answer|reply|respond|output)(?: with)?:? [\"'“‘]?not found\b"),
    (
        ("excerpt",),
        r"\b(?:cite|quote|source) (?:only )?excerpts? (?:number |no\.? ?)?\d"
        r"|\b(?:use|name|give) (?:only )?excerpts? (?:number |no\.? ?)?\d+ as (?:the|your|its) (?:\w+ )?source",
    ),
    (
        ("--", "==", "##", "**"),
        r"[-=#*]{2} ?(?:end|begin|start) (?:of )?(?:the )?(?:excerpts?|context|documents?|prompt|user input)",
    ),
    (("end of",), r"\bend of (?:the )?(?:context|prompt|user input|system prompt)\b"),
    (
        ("markdown", "html", "image", "json", "img", "iframe", "link"),
        r"\b(?:append|include|embed|insert|add|put|render|emit|output|print)\b.{0,60}\b(?:markdown|html|image|json|img"
        r"|iframe|link)\b.{0,80}\b(?:the|your|every|each|any) (?:answers?|reply|replies|responses?|output|chat)\b"
        r"|\b(?:end|begin|start|finish) (?:all|every|each|any|your) (?:answers?|reply|replies|responses?)\b.{0,80}"
        r"\b(?:markdown|html|image|json|img|iframe|link)\b",
    ),
    # what to give away
    (
        ("prompt", "message", "instruction", "your context", "history", " above"),
        rf"(?<!not )(?<!never )\b{_LEAK}\b[^.!?]{{0,50}}\b(?:(?:system|initial|hidden) (?:prompt|message|instructions?)"
        r"|your (?:instructions?|prompt|context)(?! (?:to|clearly|in|on|at|for|before|when)\b)"
        r"|(?:conversation|chat) history|everything above"
        r"|(?:text|words) above,? (?:verbatim|word for word|start(?:ing)?))\b",
    ),
    (
        ("tenant", "user", "customer"),
        r"(?<!not )(?<!never )(?<!to )\b(?:reveal|leak|dump|print|output|exfiltrate)\b(?! to\b)[^.!?]{0,50}"
        r"\b(?:other|another|all|every) (?:tenants?|users?|customers?)\b",
    ),
    (
        ("api key", "the conversation", "other documents"),
        rf"(?<!not )(?<!never )\b{_LEAK}\b[^.!?]{{0,30}}"
        r"\b(?:(?:the|your|any|all) api keys?|all (?:the )?other documents)\b"
        r"|\b(?:send|post) the conversation to (?:http|www)",
    ),
    # the dress of messages and of this service's own format
    (
        ("<",),
        r"<\| ?/?(?:system|assistant|user|tool)\b"  # "<user>" is what a manual wants filled in
        r"|<\|? ?/?(?:im_?(?:start|end)|end_?of_?text|eot_?id|start_?header_?id)\b",
    ),
    (("[inst]", "[/inst]", "sys>>", "{{"), r"\[/?inst\]|<</?sys>>|\{\{ ?(?:system|prompt)"),
    (
        ("<",),
        r"</?(?:system|instructions?|excerpts?|assistant|tool_?(?:result|call)s?|untrusted\w*|function_?calls?)\b[^>]{0,40}>",
    ),
    (
        ("system", "assistant", "developer", "tool"),
        r"^[ >\"'#-]*(?:system|assistant|developer|tool)(?: (?:message|prompt|result|note|override))? ?: ?"
        rf"(?:you\b|override\b|{_REPLY}(?: (?:only|always|never|with|that|the|this|every|all|any|no|yes|nothing|it"
        r"|as|in|your|an?)\b|:| ?[\"'“‘\d])|(?:(?:the|new) ){1,2}(?:user|assistant|rules?|instructions?|policy|archive)"
        r"(?: (?:is|are|was|were|has|have|wants?|asks?|must|now)\b|:))",
    ),
    (
        ("system message", "system prompt", "system]"),
        r"\[/?system(?: (?:message|prompt|note))?\]"
        r"|\b(?:begin|end|new|start of) system (?:message|prompt|instructions?)\b",
    ),
    (("assistant:",), r"\b(?:user|human): .{1,300}\bassistant: "),
    (("##",), r"^#{2,} ?(?:instruction|response|assistant|human|user) ?:"),
    (("role",), r"[\"'“]role[\"'”] ?: ?[\"'“](?:system|assistant|tool|developer)"),
    (
        ("found", "claims", "excerpt", "toolcall"),
        r"[\"'“](?:found|claims|excerpts?|tool_?calls?)[\"'”] ?: ?(?:true|false|\[|\{|\d)",
    ),
)
"""(words of which one must be there, which is quick to see; pattern)."""

_ORDERS = tuple((words, re.compile(pattern, re.MULTILINE)) for words, pattern in _PATTERNS)


def gives_orders(untrusted_text: str) -> bool:
    """Whether the text has a phrase that tells a language model what to do."""
    text = untrusted_text[:MOST_CHARS]
    if _TAGS.search(text):
        return True
    text = unicodedata.normalize("NFKC", _MARKS.sub("", unseen_removed(text))).lower()
    # An order may be s p a c e d, may run over a line's end, in a word too, and may have figures for letters.
    text = _HYPHEN.sub("", text) if "-" in text else text
    text = in_latin(text)
    text = text.translate(_LETTERS).replace("lgnor", "ignor") if any(word in text for word in _LEET) else text
    text = _SPACED.sub(lambda spaced: spaced[0].replace(" ", ""), text)
    text = _DOTTED.sub(lambda dotted: re.sub(r"[-.]", "", dotted[0]), text)
    text = _CELL.sub(" ", text) if "|" in text else text
    lines = "\n".join(" ".join(line.split()) for line in text.splitlines())
    whole = " ".join(lines.split())
    return any(
        order.search(lines if order.pattern.startswith("^") else whole)
        for words, order in _ORDERS
        if any(word in whole for word in words)
    )
