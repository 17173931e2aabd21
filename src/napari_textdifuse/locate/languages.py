"""Names of the lexicon's terms in German, French, Spanish and Chinese.

Accents and capitals do not matter. Plurals are listed if removing an ``s`` does not give the
singular. Chinese names are found within a phrase, because Chinese words are not separated.
"""

from __future__ import annotations

from collections.abc import Mapping

#: By language (ISO 639-1) and term.
NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "de": {
        "lesion": ("Läsion", "Läsionen", "Herd", "Hirnläsion", "Hirnläsionen"),
        "infarct": ("Infarkt", "Hirninfarkt", "Schlaganfall", "Ischämie"),
        "tumour": (
            "Tumor",
            "Tumoren",
            "Metastase",
            "Metastasen",
            "Krebs",
            "Karzinom",
            "Karzinome",
            "Gliom",
            "Lymphom",
            "Raumforderung",
            "Hirntumor",
            "Hirntumoren",
            "Hirnmetastase",
            "Hirnmetastasen",
        ),
        "hot spot": ("Mehrspeicherung", "Mehranreicherung", "Anreicherung"),
        "perfusion deficit": (
            "Perfusionsdefizit",
            "Perfusionsdefekt",
            "Minderperfusion",
            "Minderdurchblutung",
        ),
        "bone": (
            "Knochen",
            "Schädel",
            "Schädelknochen",
            "Skelett",
            "Wirbel",
            "Wirbelsäule",
            "Rippe",
            "Rippen",
        ),
        "ventricle": ("Ventrikel", "Hirnventrikel", "Seitenventrikel", "Hirnkammer", "Liquor"),
        "vessel": (
            "Gefäß",
            "Gefäße",
            "Blutgefäß",
            "Blutgefäße",
            "Arterie",
            "Arterien",
            "Vene",
            "Venen",
        ),
        "haemorrhage": (
            "Blutung",
            "Blutungen",
            "Hirnblutung",
            "Hirnblutungen",
            "Einblutung",
            "Hämorrhagie",
            "Hämatom",
            "Hämatome",
        ),
        "calcification": ("Verkalkung", "Verkalkungen", "Kalk"),
        "metal": ("Metall", "Implantat", "Implantate"),
        "lung": ("Lunge", "Lungen", "Lungengewebe"),
        "air": ("Luft",),
        "fat": ("Fett", "Fettgewebe"),
        "soft tissue": ("Weichteile", "Weichgewebe"),
        "brain": ("Gehirn", "Hirn", "Großhirn"),
        "grey matter": ("graue Substanz", "Hirnrinde", "Großhirnrinde"),
        "white matter": ("weiße Substanz", "Marklager"),
        "hyperintensity": (
            "Hyperintensität",
            "Hyperintensitäten",
            "Marklagerläsion",
            "Marklagerläsionen",
            "Ödem",
            "Ödeme",
        ),
        "person": (
            "Personen",
            "Mensch",
            "Menschen",
            "Fußgänger",
            "Mann",
            "Frau",
            "Kind",
        ),
        "cyclist": ("Radfahrer", "Radfahrerin", "Fahrradfahrer", "Motorradfahrer"),
        "bicycle": ("Fahrrad", "Fahrräder", "Rad", "Motorrad"),
        "car": ("Auto", "Wagen", "PKW", "LKW", "Fahrzeug", "Fahrzeuge"),
        "lamp": ("Lampe", "Lampen", "Leuchte", "Laterne", "Straßenlaterne", "Scheinwerfer"),
    },
    "fr": {
        "lesion": ("lésion",),
        "infarct": ("infarctus", "ischémie", "AVC"),
        "tumour": (
            "tumeur",
            "métastase",
            "carcinome",
            "gliome",
            "lymphome",
        ),
        "hot spot": ("hyperfixation", "foyer hypermétabolique", "point chaud"),
        "perfusion deficit": ("déficit de perfusion", "défaut de perfusion"),
        "bone": ("os", "crâne", "squelette", "vertèbre", "côte", "colonne vertébrale", "rachis"),
        "ventricle": ("ventricule", "liquide céphalorachidien", "liquide céphalo-rachidien", "LCR"),
        "vessel": ("vaisseau", "vaisseaux", "vaisseau sanguin", "vaisseaux sanguins", "artère"),
        "haemorrhage": ("hémorragie", "saignement", "hématome"),
        "calcification": (),
        "metal": ("métal", "métaux"),
        "lung": ("poumon", "parenchyme pulmonaire"),
        "air": ("gaz",),
        "fat": ("graisse", "tissu adipeux"),
        "soft tissue": ("tissu mou", "tissus mous"),
        "brain": ("cerveau", "encéphale"),
        "grey matter": ("substance grise", "matière grise"),
        "white matter": ("substance blanche", "matière blanche"),
        "hyperintensity": ("hypersignal", "hypersignaux", "hyperintensité", "oedème"),
        "person": ("personne", "piéton", "homme", "femme", "enfant", "gens"),
        "cyclist": ("cycliste", "motard"),
        "bicycle": ("vélo", "bicyclette", "moto"),
        "car": ("voiture", "véhicule", "camion"),
        "lamp": ("lampadaire", "réverbère", "phare"),
    },
    "es": {
        "lesion": ("lesión", "lesiones"),
        "infarct": ("infarto", "isquemia", "ictus"),
        "tumour": (
            "tumores",
            "metástasis",
            "cáncer",
            "linfoma",
        ),
        "hot spot": ("hipercaptación", "foco hipermetabólico", "punto caliente"),
        "perfusion deficit": ("déficit de perfusión", "defecto de perfusión"),
        "bone": ("hueso", "cráneo", "esqueleto", "vértebra", "costilla", "columna vertebral"),
        "ventricle": ("ventrículo", "líquido cefalorraquídeo", "LCR"),
        "vessel": ("vaso", "vaso sanguíneo", "vasos sanguíneos", "arteria", "vena"),
        "haemorrhage": ("hemorragia", "sangrado"),
        "calcification": ("calcificación", "calcificaciones"),
        "metal": ("implante",),
        "lung": ("pulmón", "pulmones"),
        "air": ("aire",),
        "fat": ("grasa", "tejido adiposo"),
        "soft tissue": ("tejido blando", "tejidos blandos"),
        "brain": ("cerebro", "encéfalo"),
        "grey matter": ("sustancia gris", "corteza cerebral"),
        "white matter": ("sustancia blanca",),
        "hyperintensity": ("hiperintensidad", "hiperintensidades", "edemas"),
        "person": ("persona", "peatón", "peatones", "hombre", "mujer", "niño", "gente"),
        "cyclist": ("ciclista", "motociclista"),
        "bicycle": ("bicicleta", "bici", "moto"),
        "car": ("coche", "carro", "vehículo", "camión"),
        "lamp": ("lámpara", "farola", "faro"),
    },
    "zh": {
        "lesion": ("病灶", "病变"),
        "infarct": ("梗死", "中风", "脑梗"),
        "tumour": ("肿瘤", "转移灶", "转移瘤", "癌", "胶质瘤", "淋巴瘤"),
        "hot spot": ("热点", "高摄取", "高代谢"),
        "perfusion deficit": ("灌注缺损", "低灌注"),
        "bone": ("骨", "骨骼", "骨头", "颅骨", "头骨", "脊柱", "肋骨", "椎骨"),
        "ventricle": ("脑室", "侧脑室", "脑脊液"),
        "vessel": ("血管", "动脉", "静脉"),
        "haemorrhage": ("出血", "血肿"),
        "calcification": ("钙化",),
        "metal": ("金属", "植入物"),
        "lung": ("肺", "肺部"),
        "air": ("空气", "气体"),
        "fat": ("脂肪",),
        "soft tissue": ("软组织",),
        "brain": ("脑", "大脑", "脑组织"),
        "grey matter": ("灰质",),
        "white matter": ("白质",),
        "hyperintensity": ("高信号", "白质高信号", "水肿"),
        "person": ("人", "行人", "人物"),
        "cyclist": ("骑车人", "骑行者", "骑自行车的人"),
        "bicycle": ("自行车", "单车", "摩托车"),
        "car": ("车", "汽车", "车辆", "轿车"),
        "lamp": ("灯", "路灯", "车灯"),
    },
}

#: Words for a side of the patient, accents folded.
SIDES: Mapping[str, str] = {
    **dict.fromkeys(("left", "link", "links", "linke", "linken", "linker", "linkes"), "left"),
    **dict.fromkeys(("gauche", "izquierdo", "izquierda", "左", "左侧", "左边"), "left"),
    **dict.fromkeys(("right", "recht", "rechts", "rechte", "rechten", "rechter"), "right"),
    **dict.fromkeys(("rechtes", "droit", "droite", "derecho", "derecha"), "right"),
    **dict.fromkeys(("右", "右侧", "右边"), "right"),
}


#: Words of English, German, French and Spanish that look like a misspelt name ("infection" and
#: "infarction") but mean something else. Without accents, singular. From the dictionaries of
#: pyspellchecker 0.9.1 (MIT licence); inflections of a name were left out.
OTHER_WORDS = frozenset(
    """
    altere argere armeria arteriel bain baker bicker bier biter bleep bleeping blend blending
    blond bloom braid bran braun brawn breed breeding brin brood cabro cache cairo
    calificacion calvario camino campon cancel cancre cane canker canter cardo careo cargo
    carlo carne caro carpo carre carrera carrot carry castilla cerbero cerro chile chili chill
    clarificacion clarification clasificacion cloche cocher colt corro corte cotilla couche
    crabe craie cran craner crank crate crave craze crone curro enema falling farol felling
    ferme filing filming flemme gasa geante gefasst gelte gemass gene genee genie genre gent
    genta gentle geste gloom grada graisser grama grana grapa graso grasp grass grasse grata
    grava guasa hambre holme hombro home homie hotpot hotshot hueco huevo hunan huso inaction
    infection inflection infliction infraccion infraction kochen lame lange langen larry
    legion leichte lesine lesson leuchten leuchtet linge lision longe lounge luge lugen lune
    lunged lungern meal medal mental mentale mentaux meta moot muder muer muter nion pare
    parson pearson peopled perdon perron personal personnel peuple phase phasen piston piton
    platon plumon poupon pouvon preton raider ride ridee rimer ripe ripen ripped ripper ripple
    riser river roder ruder ryder sagement sagrado saignaient saine sainement schade schaden
    schadet scooted scull seine shine shooter sine skill skulk spice spie spike spin spinne
    spiny spione spire spite spline stoke strike strobe strode strove swine temor timor timore
    track trick truc truce truco trunk tuck tudor tueur tuteur tutor vehiculer veneno venez
    venin venon vesicule vien voilure wacker wage waged wager wagon waken walked waller walser
    walter wanker waren waxen wegen wirbeln wirbelt woken woran woven
    """.split()  # noqa: SIM905 - a list of one word a line would be four pages
)


def foreign_names(term: str) -> tuple[str, ...]:
    """Return the names of a term in all other languages."""
    return tuple(name for names in NAMES.values() for name in names.get(term, ()))
