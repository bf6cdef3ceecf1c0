"""How "ignore all previous instructions" is said in other languages, and in letters that only look like Latin ones.

For `orders`. An order in another language needs all three of its parts in one sentence: ignore, previous, instructions;
"vergeet de instructies niet" is what any teacher writes. Letters: a word that has Latin ones and such of another script
as look the same is read as if all were Latin. Pure functions over text in lower case.
"""

from __future__ import annotations

import re

_GAP = r"[^.!?\u3002\uff01\uff1f]{0,30}?"

_LANGUAGES: tuple[tuple[str, str, str], ...] = (
    ("ignorez|oubliez|négligez", "précédent|antérieur|ci-dessus", "instructions|consignes|directives"),
    ("ignorier|vergiss|missacht", "vorherig|bisherig|vorangegangen|obig", "anweisung|vorgabe|instruktion|regeln"),
    ("ignora|dimentica|trascura", "precedent|di cui sopra", "istruzion|direttiv|regole"),
    ("negeer|vergeet|veronachtzaam", "voorgaand|vorige|eerder|bovenstaand", "instructie|aanwijzing|opdracht|regels"),
    ("zignoruj|ignoruj|pomiń|zapomnij", "poprzedni|wcześniejsz|powyższ", "instrukcj|poleceni|wytyczn"),
    ("ignoruj|zapomeň|zabudni", "předchoz|předešl|predchádzaj|výše", "pokyn|instrukc|inštrukc"),
    ("ignorer|ignorér|bortse|se bort|glöm|glem", "tidigare|tidligere|föregående|foregående|forrige|ovenstående",
     "instruktion|instruks|anvisning"),
    ("unohda|jätä huomiotta|ohita|sivuuta", "aiem|aikaisem|edelli|yllä", "ohje|käsky"),
    ("hagyd figyelmen kívül|felejtsd", "előző|korábbi|fenti", "utasítás"),
    ("ignoră|ignora|uită", "anterioar|precedent|de mai sus", "instrucțiun|instrucţiun"),
    ("игнорир|ігноруй|забудь|не обращай", "предыдущ|прежн|попередн|выше", "инструкци|указани|інструкці|вказівк"),
    ("αγνόησ|αγνοήσ|ξέχασ|ξεχάσ|ξέχνα", "προηγούμεν|παραπάνω", "οδηγί|εντολ"),
    ("yok say|görmezden gel|dikkate alma|unut", "önceki|yukarıdaki", "talimat|yönerge|komut"),
    ("abaikan|lupakan", "sebelumnya|terdahulu|di atas", "instruksi|perintah|arahan"),
    ("bỏ qua|quên|phớt lờ", "trước|ở trên", "hướng dẫn|chỉ dẫn|chỉ thị|lệnh"),
    ("無視|忘れ", "以前|前の|これまで|上記", "指示|命令|プロンプト"),
    ("무시|잊", "이전|위의|앞의", "지시|명령|프롬프트"),
    ("تجاهل|انس", "السابق|أعلاه", "تعليمات|أوامر|توجيهات"),
    ("התעלם|התעלמי|התעלמו|שכח", "קודמ|לעיל", "הוראות|הנחיות"),
    ("अनदेखा|उपेक्षा|भूल", "पिछले|पूर्व|उपरोक्त", "निर्देश|आदेश"),
)  # fmt: skip
"""(ignore, previous, instructions), each with the beginnings or roots of its words."""


def _order(ignore: str, previous: str, instructions: str) -> str:
    """In the order of most languages, with the adjective behind, and with the verb at the end."""
    orders = (ignore, previous, instructions), (ignore, instructions, previous), (previous, instructions, ignore)
    return "|".join(_GAP.join(rf"(?:{part})" for part in order) for order in orders)


ABROAD = tuple((tuple(parts[2].split("|")), _order(*parts)) for parts in _LANGUAGES)
"""As `orders` keeps its patterns: (words of which one must be there, pattern)."""

_LIKE = str.maketrans("авеікмһорстухѕјԁԛԝӏνοραεικτυχβ", "abeikmhopctyxsjdqwlvopaeiktuxb")
_ALIKE = "".join(map(chr, _LIKE))
_MIXED = re.compile(rf"(?=\w*[a-z])(?=\w*[{_ALIKE}])\b\w+")
_ANY = re.compile(f"[{_ALIKE}]")


def in_latin(text: str) -> str:
    """Words of mixed letters as they look."""
    if not _ANY.search(text):
        return text
    return _MIXED.sub(lambda word: word[0].translate(_LIKE), text)
