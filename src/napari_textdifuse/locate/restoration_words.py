"""Words about restoration in English, German, French, Spanish and Chinese.

Accents and capitals do not matter. Words are listed as they are written, separated by commas.
"""

from __future__ import annotations

from collections.abc import Mapping

Words = Mapping[str, str]

#: Verbs that need a noun, and the words around them; the letters are those of `restoration`.
CLASSES: Mapping[str, Words] = {
    "k": {
        "en": "keep, keeping, kept, preserve, preserving, preserved, retain, retaining, maintain, "
        "maintaining, leave, leaving, stay, stays",
        "de": "behalte, behalten, beibehalten, erhalte, erhalten, bewahre, bewahren, lasse, lass, "
        "lassen, belasse, belassen",
        "fr": "garde, garder, gardez, conserve, conserver, conservez, préserve, préserver, "
        "préservez, maintenir, laisse, laisser, laissez",
        "es": "mantener, mantén, mantenga, conservar, conserva, conserve, preservar, preserva, "
        "dejar, deja",
        "zh": "保持, 保留, 维持",
    },
    "u": {
        "en": "unchanged, untouched, original, as it is, as they are, as is, as it was, "
        "as measured",
        "de": "unverändert, wie gemessen, wie es ist, wie sie sind",
        "fr": "inchangé, inchangée, inchangées, tel quel, telle quelle, telles quelles",
        "es": "sin cambios, tal cual, como está, como están",
        "zh": "不变, 原样",
    },
    "R": {
        "en": "restore, restoring, restored, restoration",
        "de": "restauriere, restaurieren, restauration, wiederherstellen",
        "fr": "restaurer, restaure, restaurez, restauration",
        "es": "restaurar, restaura, restaure, restauración",
        "zh": "复原, 修复, 恢复",
    },
    "r": {
        "en": "remove, removing, removed, removal, reduce, reducing, reduced, reduction, suppress, "
        "suppressed, suppression, eliminate, eliminated, get rid of, clean up, filter out, less",
        "de": "entferne, entfernen, entfernt, reduziere, reduzieren, unterdrücke, unterdrücken, "
        "beseitige, beseitigen, vermindern, verringern, weniger",
        "fr": "enlever, enlève, enlevez, supprimer, supprime, supprimez, réduire, réduis, "
        "réduisez, "
        "retirer, retire, retirez, éliminer, élimine, éliminez, réduction, suppression, moins de",
        "es": "quitar, quita, quite, eliminar, elimina, elimine, reducir, reduce, suprimir, "
        "suprime, reducción, eliminación, menos",
        "zh": "去除, 消除, 减少, 去掉, 抑制, 降低",
    },
    "i": {
        "en": "improve, improving, improved, enhance, enhancing, enhanced, enhancement, increase, "
        "increased, boost, raise, raised, more, better",
        "de": "verbessere, verbessern, erhöhe, erhöhen, verstärke, verstärken, mehr",
        "fr": "améliorer, améliore, améliorez, augmenter, augmente, augmentez, renforcer, "
        "renforce, "
        "renforcez, plus de",
        "es": "mejorar, mejora, mejore, aumentar, aumenta, aumente, realzar, realza, más",
        "zh": "增强, 改善, 提高, 提升",
    },
    "c": {
        "en": "correct, correcting, corrected, correction, fix, fixing, fixed, mend, repair, "
        "adjust, adjusting, adjusted",
        "de": "korrigiere, korrigieren, korrigiert, korrektur, behebe, beheben",
        "fr": "corriger, corrige, corrigez, correction",
        "es": "corregir, corrige, corrija, corrección",
        "zh": "校正, 矫正, 修正",
    },
    "g": {
        "en": "change, changing, touch, touching, alter, altering, modify, modifying",
        "de": "ändere, ändern, verändere, verändern",
        "fr": "changer, change, changez, modifier, modifie, modifiez, toucher, touche",
        "es": "cambiar, cambia, cambie, modificar, modifica, modifique, tocar, toques",
        "zh": "改变, 更改, 修改",
    },
    "n": {
        "en": "no, not, don't, do not, does not, never, without, nothing, n't",
        "de": "nicht, kein, keine, keinen, ohne, nie, nichts",
        "fr": "ne, pas, sans, jamais, aucun, aucune, n",
        "es": "sin, nunca, ningún",
        "zh": "不要, 不, 别, 无需, 不用, 无",
    },
    "f": {
        "en": "a, an, the, this, that, its, it, of, in, on, any, all, every, real, natural, true, "
        "please, with, while, also, too, then, but, though, everything, at, from, to, so, is, are, "
        "make, do, well, as, let",
        "de": "das, die, der, den, dem, des, ein, eine, bitte, mit, auch, dann, aber, im, von, "
        "vom, "
        "alles, so, wie, ist, es, sind, dabei",
        "fr": "le, la, les, l, un, une, de, du, d, s'il vous plaît, avec, aussi, mais, puis, tout, "
        "en, dans, ce, cette",
        "es": "el, los, las, por favor, con, también, pero, luego, todo, una, uno, del, al",
        "zh": "请, 的, 把, 将, 原有, 原来, 但, 但是",
    },
    "p": {
        "en": "image, images, picture, pictures, photo, photos, scene, scan, scans, result",
        "de": "bild, bilder, szene, aufnahme, aufnahmen, ergebnis",
        "fr": "l'image, images, photo, scène, résultat",
        "es": "imagen, imágenes, foto, escena, resultado",
        "zh": "图像, 图片, 照片, 画面, 场景, 结果",
    },
    "m": {
        "en": "show, find, mark, highlight, emphasise, emphasize, locate, detect, segment, outline",
        "de": "zeige, zeig, zeigen, finde, markiere, markieren, hebe",
        "fr": "montre, montrer, montrez, trouve, trouver, affiche, afficher, surligne",
        "es": "muestra, mostrar, encuentra, destaca, resalta, resaltar, marca, marcar",
        "zh": "突出显示, 突出, 高亮, 高亮显示, 显示, 标出, 标记, 强调, 找出",
    },
    "j": {
        "en": "and",
        "de": "und, sowie",
        "fr": "et",
        "es": "y, e",
        "zh": "和, 并, 且, 与, 以及, 并且",
    },
    "o": {"en": "or, nor", "de": "oder, noch", "fr": "ou, ni", "es": "o", "zh": "或, 或者"},
}

#: What the verbs are about: "q" can be kept or improved, "d" can be kept or removed, "D" is the
#: dark, which can only be kept. The second part is the kind of restoration.
NOUNS: Mapping[tuple[str, str], Words] = {
    ("q", "light"): {
        "en": "light, lighting, brightness, illumination, exposure, contrast, luminance, low light",
        "de": "Licht, Helligkeit, Beleuchtung, Belichtung, Kontrast",
        "fr": "lumière, luminosité, éclairage, exposition, contraste",
        "es": "luz, brillo, iluminación, exposición, contraste",
        "zh": "亮度, 光线, 光照, 明暗, 对比度, 曝光",
    },
    ("q", "noise"): {
        "en": "sharpness, texture",
        "de": "Schärfe, Textur",
        "fr": "netteté, texture",
        "es": "nitidez, textura",
        "zh": "清晰度, 锐度, 纹理",
    },
    ("q", "colour"): {
        "en": "colour, colours, color, colors, hue, hues, white balance",
        "de": "Farbe, Farben, Weißabgleich",
        "fr": "couleur, couleurs, teinte, teintes, balance des blancs",
        "es": "color, colores, tono, tonos, balance de blancos",
        "zh": "颜色, 色彩, 色调",
    },
    ("d", "noise"): {
        "en": "noise, image noise, grain, blur, motion blur, speckle, speckles, colour noise, "
        "color noise",
        "de": "Rauschen, Bildrauschen, Unschärfe, Körnung, Verwacklung",
        "fr": "bruit, flou, grain",
        "es": "ruido, desenfoque, grano, borrosidad",
        "zh": "噪声, 噪点, 噪音, 模糊",
    },
    ("d", "light"): {
        "en": "haze, fog, mist, overexposure, over-exposure, underexposure, under-exposure, "
        "darkness",
        "de": "Dunst, Nebel, Schleier, Überbelichtung, Unterbelichtung",
        "fr": "brume, brouillard, voile, surexposition, sous-exposition",
        "es": "niebla, bruma, neblina, sobreexposición, subexposición",
        "zh": "雾, 雾霾, 过曝, 欠曝",
    },
    ("d", "colour"): {
        "en": "cast, colour cast, color cast, tint, colour tint, color tint, yellow cast, "
        "blue cast, "
        "green cast, red cast",
        "de": "Farbstich, Gelbstich, Blaustich, Grünstich, Rotstich",
        "fr": "dominante, dominante de couleur, dominante colorée",
        "es": "dominante, dominante de color, tinte",
        "zh": "色偏, 偏色",
    },
    ("D", "light"): {
        "en": "dark",
        "de": "dunkel",
        "fr": "sombre, obscur, obscure",
        "es": "oscuro, oscura",
        "zh": "黑暗",
    },
}

#: Verbs and names of an operation that say all, by kind.
ALONE: Mapping[str, Words] = {
    "noise": {
        "en": "denoise, de-noise, denoised, denoising, despeckle, deblur, deblurred, deblurring, "
        "sharpen, sharpened, sharpening",
        "de": "entrauschen, entrausche, entrauscht, schärfen, schärfe das Bild, nachschärfen",
        "fr": "débruiter, débruite, débruitez, débruitage, rendre plus net, déflouter",
        "es": "desruidar, quitar el grano, enfocar, enfoca, afilar",
        "zh": "去噪, 降噪, 去模糊, 锐化",
    },
    "light": {
        "en": "brighten, brightened, brightening, lighten, relight, relighting, dehaze, dehazed, "
        "dehazing, defog, defogging, make it brighter, "
        "make the image brighter, make the picture brighter, brighter image, brighter picture",
        "de": "aufhellen, aufgehellt, aufhellung, Bild heller, entnebeln",
        "fr": "éclaircir, éclaircis, éclaircissez, éclaircissement, image plus claire, débrumer",
        "es": "aclarar, aclara, aclare, iluminar, ilumina, imagen más clara",
        "zh": "提亮, 增亮, 画面变亮, 去雾, 除雾",
    },
    "colour": {
        "en": "colour-correct, color-correct, recolour, recolor, white-balance the image",
        "de": "Farbkorrektur, farbkorrigieren",
        "fr": "étalonner",
        "es": "recolorear",
        "zh": "校色, 去色偏, 白平衡",
    },
}

#: Phrases to choose from, for completion and help.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "en": (
        "denoise",
        "keep the noise",
        "brighten",
        "keep the light",
        "remove the haze",
        "remove the colour cast",
        "keep the colours",
        "do not restore",
    ),
    "de": (
        "entrauschen",
        "Rauschen behalten",
        "aufhellen",
        "Licht beibehalten",
        "Dunst entfernen",
        "Farbstich entfernen",
        "Farben beibehalten",
        "nicht restaurieren",
    ),
    "fr": (
        "débruiter",
        "garder le bruit",
        "éclaircir",
        "garder la lumière",
        "enlever la brume",
        "corriger la dominante",
        "garder les couleurs",
        "ne pas restaurer",
    ),
    "es": (
        "quitar el ruido",
        "mantener el ruido",
        "aclarar",
        "mantener la luz",
        "quitar la niebla",
        "corregir la dominante",
        "mantener los colores",
        "no restaurar",
    ),
    "zh": ("去噪", "保留噪声", "提亮", "保持亮度", "去雾", "去色偏", "保持颜色", "不要修复"),
}
