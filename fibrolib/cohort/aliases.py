"""Other names of the table's columns, as hospitals write them: German, Chinese, French, Spanish and English."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection

__all__ = ["folded", "meant_column", "unaccented"]

_ALIASES = {
    "patient_id": (
        "id, patient, patients, pat, pat id, pid, patient number, patient no, subject, subject id, participant, case, "
        "case id, study id, record id, pseudonym, patientennummer, patienten id, pat nr, fallnummer, fall id, proband, "
        "probanden id, identifiant, identifiant patient, id patient, numéro patient, sujet, id paciente, paciente, "
        "número de paciente, sujeto, 编号, 患者, 患者编号, 患者id, 病人编号, 病例号, 受试者编号, 患者編號"
    ),
    "video": (
        "videos, video file, video path, video name, filename, file name, file, path, cine, cine loop, film, "
        "videodatei, videopfad, datei, dateiname, pfad, fichier, fichier vidéo, archivo, archivo de vídeo, "
        "视频, 视频文件, 视频路径, 文件, 文件名, 視頻"
    ),
    "stage": (
        "fibrosis, fibrosis stage, fibrosis grade, fibrosis score, stage of fibrosis, stage f, f stage, metavir, "
        "metavir f, metavir stage, metavir score, stadium, stadium f, fibrose, fibrosegrad, fibrosestadium, stade, "
        "stade f, stade de fibrose, estadio, estadio f, estadio de fibrosis, grado de fibrosis, "
        "分期, 纤维化, 纤维化分期, 肝纤维化, 肝纤维化分期, 纤维化程度, 纖維化分期"
    ),
    "image": (
        "images, image file, image path, still, still image, picture, photo, bild, bilddatei, bildpfad, standbild, "
        "foto, fichier image, image fixe, imagen, archivo de imagen, 图像, 图片, 静态图像, 图像路径, 圖像"
    ),
    "age": (
        "age at examination, age at exam, age at scan, age at biopsy, age at diagnosis, age at inclusion, "
        "age at baseline, alter, alter bei untersuchung, lebensalter, patientenalter, âge, edad, 年龄, 患者年龄, 年齡"
    ),
    "sex": "gender, m f, f m, geschlecht, m w, w m, sexe, genre, h f, sexo, género, 性别, 患者性别, 性別",
    "bmi": (
        "body mass index, kmi, körpermasseindex, imc, indice de masse corporelle, índice de masa corporal, "
        "体重指数, 体质指数, 体质量指数, 身体质量指数"
    ),
    "ast": (
        "got, asat, aspat, sgot, tgo, ast got, aspartate aminotransferase, aspartate transaminase, "
        "aspartataminotransferase, glutamat oxalacetat transaminase, aspartate aminotransférase, "
        "aspartato aminotransferasa, 谷草转氨酶, 谷草, 天冬氨酸氨基转移酶, 天门冬氨酸氨基转移酶, 门冬氨酸氨基转移酶, "
        "谷草轉氨酶"
    ),
    "alt": (
        "gpt, alat, sgpt, tgp, alt gpt, alanine aminotransferase, alanine transaminase, alaninaminotransferase, "
        "glutamat pyruvat transaminase, alanine aminotransférase, alanina aminotransferasa, "
        "谷丙转氨酶, 谷丙, 丙氨酸氨基转移酶, 谷丙轉氨酶"
    ),
    "platelets": (
        "platelet, platelet count, plt, plt count, thrombocytes, thrombocyte count, thrombozyten, thrombozytenzahl, "
        "thrombos, thrombo, plättchen, blutplättchen, plaquettes, numération plaquettaire, plaquetas, trombocitos, "
        "recuento de plaquetas, 血小板, 血小板计数, 血小板數"
    ),
    "swe_kpa": (
        "kpa, lsm, te, vcte, fibroscan, stiffness, liver stiffness, liver stiffness measurement, elastography, "
        "transient elastography, shear wave, shear wave elastography, 2d swe, pswe, arfi, steifigkeit, "
        "lebersteifigkeit, elastografie, elastographie, scherwellenelastographie, scherwellenelastografie, élasticité, "
        "élastographie, élastométrie, rigidité, rigidité hépatique, dureté, rigidez, rigidez hepática, dureza, "
        "elasticidad, elastografía, elastometría, 硬度, 肝硬度, 肝脏硬度, 肝硬度值, 弹性, 弹性值, 剪切波, 剪切波弹性"
    ),
    "split": (
        "partition, subset, set, data split, aufteilung, teilmenge, datensatz, ensemble, partición, conjunto, "
        "划分, 数据集, 数据划分, 數據集"
    ),
    "roi": (
        "mask, masks, mask file, segmentation, region of interest, maske, segmentierung, masque, région d'intérêt, "
        "máscara, segmentación, región de interés, 掩码, 掩膜, 感兴趣区, 感兴趣区域, 掩碼"
    ),
}

_UNITS = {
    "u", "ui", "iu", "ie", "l", "g", "nl", "μl", "ul", "kg", "m2", "kpa", "y", "yr", "yrs", "year", "years",
    "in", "jahre", "jahren", "ans", "anos", "岁", "歲",
}  # fmt: skip
_NUMBER = re.compile(r"x?\d+(e\d+)?")  # as in 10^9/L
_BRACKETED = re.compile(r"[(\[{【].*?[)\]}】]")
_WORD = re.compile(r"[a-z0-9]+|[^\W_a-z0-9]+")  # AST谷草转氨酶 is two

_LEAST_LETTERS = 5
"""Shorter names resemble each other too much to be taken for a slip of the keyboard: AST, ALT, ALP."""


def unaccented(text: str) -> str:
    """Text without case, accents and typographic variants."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()


def _words(name: str) -> list[str]:
    """Words of a column's name, without what stands in brackets and without units, unless there is nothing else."""
    text = unaccented(name)
    words = _WORD.findall(_BRACKETED.sub(" ", text)) or _WORD.findall(text)
    return [word for word in words if word not in _UNITS and not _NUMBER.fullmatch(word)] or words


def folded(name: str) -> str:
    """A column's name without case, accents, spaces, punctuation and units: ``Âge (ans)`` is ``age``."""
    return "".join(_words(name))


_MEANING = {folded(alias): column for column, aliases in _ALIASES.items() for alias in (column, *aliases.split(", "))}


def meant_column(name: str, present: Collection[str] = ()) -> str | None:
    """The column of the study that another name stands for, as ``GOT (U/l)`` for ``ast``; None where none is like it.

    Known names come first, then names whose words all mean one column (``AST/GOT``), then slips of the keyboard: these
    only for columns that are not `present`.
    """
    words = _words(name)
    joined = "".join(words)
    meanings = {_MEANING.get(joined)} - {None} or {_MEANING.get(word) for word in words}
    if len(meanings) == 1 and None not in meanings:
        return meanings.pop()
    like = [alias for alias, column in _MEANING.items() if column not in present and _of_like_length(alias, joined)]
    close = difflib.get_close_matches(joined, like, n=1, cutoff=0.8)
    return _MEANING[close[0]] if close else None


def _of_like_length(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= _LEAST_LETTERS and abs(len(one) - len(other)) <= 1
