"""How "ignore all previous instructions" is said in other languages, and in letters that only look like Latin ones.

For `orders`. An order needs its three parts in one sentence (ignore, previous, instructions), and its verb as orders
have it: in the imperative, without a "not" and, where the language puts it first, at the beginning of a clause or
behind a "please". "Vergeet de bovenstaande instructies niet" and "the captain ignored his earlier orders" are what
manuals and letters say in every language. Letters: a word that has Latin ones and such of another script as look the
same is read as if all were Latin. Pure functions over text in lower case.
"""

from __future__ import annotations

import re

_POLITE = (
    "bitte", "und", "por favor", "y", "e", "per favore", "ora", "et", "maintenant", "alstublieft", "gelieve", "en",
    "proszę", "teraz", "i", "prosím", "nyní", "a", "och", "og", "venligst", "vänligen", "nyt", "ja", "kérlek", "kérem",
    "és", "acum", "și", "te rog", "vă rog", "пожалуйста", "теперь", "и", "і", "та", "будь ласка", "παρακαλώ", "τώρα",
    "και", "tolong", "mohon", "harap", "silakan", "dan", "hãy", "xin", "vui lòng", "và", "אנא", "בבקשה",
)  # fmt: skip
"""What stands before the verb of an order, if anything: please, now, and."""
_BEHIND_ONE = "|".join(rf"(?<=\b{word} )" for word in _POLITE)
_LEAD = rf"(?<!\w)(?<!\w['\u2019-])(?:(?<!\w )|{_BEHIND_ONE})"
_NOT = r" (?:nicht|nie|niemals|niet|nooit|inte|ikke|aldrig|aldri|pas|jamais|unsere?n?|nos|onze|nuestras|nostre)\b"
"""And "our": a letter takes back what its writer wrote."""
_GAP = rf"(?:(?!{_NOT})[^.!?]){{0,30}}?"
_NOT_BEHIND = rf"(?!\w*(?: \w+)?{_NOT})"

_VERB_FIRST: tuple[tuple[str, str, str], ...] = (
    ("ignorez?|oubliez?|négligez?", "précédent|antérieur|ci-dessus|plus haut|répond",
     "instructions|consignes|directives"),
    ("ignorier(?:en sie|e|t)|vergiss|vergesst|vergessen sie|missacht(?:en sie|et?)",
     "vorherig|bisherig|vorangegangen|obig|früher|antwort", "anweisung|vorgabe|instruktion|regeln"),
    ("ignor(?:ad|en?|a)|olvid(?:ad|en?|a)", "anterior|previ|de arriba|todas (?:las|tus)|respond",
     "instrucciones|órdenes|reglas"),
    ("ignor(?:em?|a)|esqueç(?:am|a)|esquece|desconsider(?:em?|a)", "anterior|prévi|acima|todas as|respond",
     "instruções|ordens|regras"),
    ("ignora|ignorate|ignori|dimentica|dimenticate|trascura|trascurate", "precedent|di cui sopra|anterior|rispond",
     "istruzion|direttiv|regole"),
    ("(?:negeer|vergeet|veronachtzaam)(?! (?:ik|je|u)\\b)", "voorgaand|vorige|eerder|bovenstaand",
     "instructie|aanwijzing|opdracht|regels"),
    ("z?ignoruj(?:cie)?|pomiń(?:cie)?|zapomnij(?:cie)?", "poprzedni|wcześniejsz|powyższ", "instrukcj|poleceni|wytyczn"),
    ("ignoruj(?:te)?|zapomeň(?:te)?|zabudni(?:te)?", "předchoz|předešl|predchádzaj|výše", "pokyn|instrukc|inštrukc"),
    ("ignorera|ignorér|ignorer|bortse|se bort|glöm|glem",
     "tidigare|tidligere|föregående|foregående|forrige|ovenstående", "instruktion|instruks"),
    ("unohda|jätä huomiotta|ohita|sivuuta", "aiem|aikaisem|edelli|yllä", "ohje(?!lm)|käsky"),
    ("hagy(?:d|ja) figyelmen kívül|felejts(?:d|e) el", "előző|korábbi|fenti", "utasítás"),
    ("ignoră|ignorați|uită|uitați", "anterioar|precedent|de mai sus", "instrucțiun|instrucţiun"),
    ("(?:про)?игнорируй(?:те)?|забудь(?:те)?|не обращай внимания", "предыдущ|прежн|выше|ответь", "инструкци|указани"),
    ("(?:про)?ігноруй(?:те)?|забудь(?:те)?", "попередн|вище", "інструкці|вказівк"),
    ("αγνόησε|αγνοήστε|αγνοείστε|ξέχασε|ξεχάστε|ξέχνα", "προηγούμεν|παραπάνω", "οδηγί|εντολ"),
    ("abaikan|lupakan", "sebelumnya|terdahulu|di atas", "instruksi|perintah|arahan"),
    ("bỏ qua|quên|phớt lờ", "trước đ|ở trên", "hướng dẫn|chỉ dẫn|chỉ thị|lệnh"),
    ("התעלם|התעלמי|התעלמו|שכח", "קודמ|לעיל", "הוראות|הנחיות"),
)  # fmt: skip
"""(ignore, previous, instructions): imperatives whole, the others with the beginnings or roots of their words. An
answer that is asked for in the same breath does for "previous".
"""

_OTHERWISE: tuple[tuple[str, str], ...] = (
    # The verb at the end, where its form tells an order from "do not forget" and "who ignored".
    (
        "talimat|yönerge|komut",
        r"(?:önceki|yukarıdaki)GAP(?:talimat|yönerge|komut)GAP"
        r"(?:yok say|görmezden gel|dikkate alma|unut)(?:[iıuü]n(?:[iıuü]z)?|yın(?:ız)?)?(?!\w)",
    ),
    (
        "指示|命令|プロンプト",
        r"(?:以前|前の|これまで|上記)[^。]{0,20}(?:指示|命令|プロンプト)[^。]{0,12}"
        r"(?:(?:無視し|忘れ)て(?:ください|下さい|くれ)|(?:無視し|忘れ)(?:なさい|ろ)|無視せよ"
        r"|無視して[^。]{0,30}(?:答え|回答|返答|出力|言)\w{0,2}(?:ください|下さい|くれ|なさい|ろ|よ))",
    ),
    (
        "지시|명령|프롬프트",
        r"(?:이전|위의|앞의)GAP(?:지시|명령|프롬프트)GAP"
        r"(?:무시(?:하세요|하십시오|하시오|하라|해라|해 ?(?:주세요|줘))|잊(?:으세요|으십시오|어라|어 ?버려)"
        r"|무시하고[^.!?]{0,40}(?:세요|십시오|시오|하라|해라|답해|말해|해 ?줘))",
    ),
    (
        "निर्देश|आदेश",
        r"(?:पिछले|पूर्व|उपरोक्त)GAP(?:निर्देश|आदेश)GAP"
        r"(?:(?:अनदेखा|नज़रअंदाज़|उपेक्षा) (?:करें|करो|कीजिए|कर द)|भूल जा(?:ओ|एं|एँ|इए))",
    ),
    # "Ignoring" and "ignored" are spelt as "ignore": with "all", or an answer asked for.
    (
        "تعليمات|أوامر|توجيهات",
        r"(?<!\w)(?<!\w )(?:تجاهل|انس)[يوا]{0,2} (?:"
        r"(?:جميع|كل|كافة) (?:ال)?(?:تعليمات|أوامر|توجيهات)GAP(?:السابق|أعلاه)"
        r"|(?:ال)?(?:تعليمات|أوامر|توجيهات)GAP(?:السابق|أعلاه)GAP(?:أجب|قل |اكتب))",
    ),
    (
        "指令|指示|提示|规则|規則",
        r"(?:(?<![\u4e00-\u9fff])|(?<=请)|(?<=請)|(?<=必须)|(?<=现在))(?:忽略|忽视|忽視|无视|無視|忘记|忘記)"
        r"[^。]{0,6}(?:所有|一切|全部|之前|以前|先前|此前|前面|上述|以上|上面|你的)[^。]{0,6}(?:指令|指示|提示|规则|規則)"
        r"(?![^。，,]{0,8}(?:可能|会|會|将|將|导致|者|的人|时|時))",
    ),
)
"""(instructions, pattern)."""


def _order(ignore: str, previous: str, instructions: str) -> str:
    """With the adjective before its noun, or behind it."""
    orders = (previous, instructions), (instructions, previous)
    return "|".join(rf"{_LEAD}(?:{ignore})(?![\w-]){_GAP}(?:{one}){_GAP}(?:{two}){_NOT_BEHIND}" for one, two in orders)


ABROAD = tuple((tuple(re.sub(r"\(.*?\)", "", parts[2]).split("|")), _order(*parts)) for parts in _VERB_FIRST) + tuple(
    (tuple(words.split("|")), pattern.replace("GAP", _GAP)) for words, pattern in _OTHERWISE
)
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
