"""The columns of the cohort table, and how hospitals spell their names and the stages in them."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable

from fibrolib.diagnostics import FIB4, INDICES, ColumnSpec, Diagnostic

REQUIRED = ("patient_id", "video", "stage")


ELF = "elf"
"""Column of the Enhanced Liver Fibrosis score; a diagnostic of the user's own may declare it otherwise."""

_ELF = ColumnSpec("", 4, 18, "ELF score", "normal")  # *assumption*: published patients lie between 6 and 15


def numbers_of(diagnostics: Iterable[Diagnostic] = INDICES) -> dict[str, ColumnSpec]:
    """Columns of numbers: age, body mass index, blood values, the ELF score, and what else diagnostics declare."""
    own = {name: spec for diagnostic in (FIB4, *diagnostics) for name, spec in diagnostic.columns.items()}
    bmi = ColumnSpec("kg/m²", 12, 70, "Body mass index", "normal")
    return {"age": FIB4.columns["age"], "bmi": bmi, **{ELF: _ELF}, **own}


NUMBERS = {name: spec for name, spec in numbers_of().items() if name != ELF}
"""Columns of positive numbers that every study may read."""

_CLINICAL = ("age", "sex", *(name for name in NUMBERS if name != "age"))

_OF_PATIENT = ("centre", "aetiology", "steatosis", "biopsy_date")

VIDEO_LEVEL = ("scanner", "operator", "visit", "video_date", "days_from_biopsy")
"""Columns that may differ between the videos of a patient."""

FURTHER = (*_OF_PATIENT, *VIDEO_LEVEL)
"""Columns that divide patients into groups: no model reads them; the check asks whether they give the stage away."""

OPTIONAL = ("image", *_CLINICAL, *FURTHER, "split", "roi")

FILES = ("video", "image", "roi")
"""Columns of paths relative to the table."""

PATIENT_LEVEL = ("stage", *_CLINICAL, ELF, *_OF_PATIENT, "split")
"""Columns that belong to the patient, as do those of `numbers_of`: all rows of a patient say the same, or nothing."""

DEVICE = "swe_device"
"""Column of the device that measured stiffness; only the check reads it."""

VIRTUAL_PREFIX = "virtual-"
"""Begins the ids of virtual patients, and no others: it stays when the table is copied or renamed."""

IDENTIFYING = "identifying"
"""What `meant_column` returns for a column that tells who a patient is."""

_ALIASES = {
    "patient_id": (
        "id, patient, patients, pat, pat id, pid, patient number, patient no, subject, subject id, participant, case, "
        "case id, study id, record id, pseudonym, patientennummer, patienten id, pat nr, fallnummer, fall id, proband, "
        "probanden id, identifiant, identifiant patient, id patient, numéro patient, sujet, id paciente, paciente, "
        "número de paciente, sujeto, 编号, 患者, 患者编号, 患者id, 病人编号, 病例号, 受试者编号, 患者編號, "
        "患者番号, 被験者, 被験者番号, 환자, 환자번호, 대상자, пациент, номер пациента"
    ),
    "video": (
        "videos, video file, video path, video name, filename, file name, file, path, cine, cine loop, film, "
        "videodatei, videopfad, datei, dateiname, dateipfad, pfad, fichier, fichier vidéo, archivo, archivo de vídeo, "
        "视频, 视频文件, 视频路径, 视频地址, 文件, 文件名, 視頻, 動画, 動画ファイル, 동영상, 비디오"
    ),
    "stage": (
        "fibrosis, fibrosis stage, fibrosis grade, fibrosis score, stage of fibrosis, stage f, f stage, metavir, "
        "metavir f, metavir stage, metavir score, stadium, stadium f, fibrose, fibrosegrad, fibrosestadium, stade, "
        "stade f, stade de fibrose, estadio, estadio f, estadio de fibrosis, grado de fibrosis, "
        "分期, 纤维化, 纤维化分期, 肝纤维化, 肝纤维化分期, 纤维化程度, 纖維化分期, "
        "線維化, 線維化ステージ, 肝線維化, 肝線維化ステージ, 線維化病期, 섬유화, 섬유화 단계, 섬유화 병기"
    ),
    "image": (
        "images, image file, image path, still, still image, picture, photo, bild, bilddatei, bildpfad, standbild, "
        "foto, fichier image, image fixe, imagen, archivo de imagen, 图像, 图片, 静态图像, 图像路径, 圖像, "
        "静止画, 静止画像, 画像, 画像ファイル, 정지영상, 이미지"
    ),
    "age": (
        "age at examination, age at exam, age at scan, age at biopsy, age at diagnosis, age at inclusion, "
        "age at baseline, alter, alter bei untersuchung, lebensalter, patientenalter, âge, edad, 年龄, 患者年龄, 年齡, "
        "年齢, 患者年齢, 나이, 연령"
    ),
    "sex": "gender, m f, f m, geschlecht, m w, w m, sexe, genre, h f, sexo, género, 性别, 患者性别, 性別, 성별",
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
        "recuento de plaquetas, 血小板, 血小板计数, 血小板數, 血小板数, 혈소판, 혈소판 수"
    ),
    "swe_kpa": (
        "kpa, lsm, te, vcte, fibroscan, stiffness, liver stiffness, liver stiffness measurement, elastography, "
        "transient elastography, shear wave, shear wave elastography, 2d swe, pswe, arfi, steifigkeit, "
        "lebersteifigkeit, elastografie, elastographie, scherwellenelastographie, scherwellenelastografie, élasticité, "
        "élastographie, élastométrie, rigidité, rigidité hépatique, dureté, rigidez, rigidez hepática, dureza, "
        "elasticidad, elastografía, elastometría, 硬度, 肝硬度, 肝脏硬度, 肝硬度值, 弹性, 弹性值, 剪切波, 剪切波弹性"
    ),
    "elf": "elf score, elf test, enhanced liver fibrosis, enhanced liver fibrosis score, score elf",
    "centre": (
        "center, site, hospital, clinic, study centre, study center, zentrum, klinik, krankenhaus, prüfzentrum, "
        "hôpital, clinique, centre d'étude, centro, clínica, 中心, 医院, 研究中心, 分中心, 施設, 병원, центр, больница"
    ),
    "scanner": (
        "ultrasound scanner, ultrasound system, ultrasound machine, ultrasound device, us system, machine, "
        "ultraschallgerät, gerät, échographe, appareil, ecógrafo, equipo, 超声仪, 超声仪器, 超声设备, 仪器, 设备, "
        "機器, 装置, сканер, аппарат"
    ),
    "operator": (
        "sonographer, examiner, examined by, untersucher, untersuchender arzt, opérateur, échographiste, examinateur, "
        "operador, ecografista, explorador, 操作者, 检查者, 操作医师, 检查医师, 検査者, оператор"
    ),
    "aetiology": (
        "etiology, aetiologie, ätiologie, étiologie, etiología, cause, cause of liver disease, liver disease, "
        "underlying disease, grunderkrankung, lebererkrankung, maladie hépatique, hepatopatía, 病因, 肝病病因, "
        "原因, этиология"
    ),
    "steatosis": (
        "steatosis grade, steatosis score, s grade, grade of steatosis, steatose, steatosegrad, verfettungsgrad, "
        "stéatose, grade de stéatose, esteatosis, grado de esteatosis, 脂肪变, 脂肪变性, 脂肪变程度, 脂肪化, стеатоз"
    ),
    "biopsy_date": (
        "date of biopsy, biopsy, date of histology, histology date, biopsiedatum, datum der biopsie, histologiedatum, "
        "date de biopsie, date de la biopsie, fecha de biopsia, fecha de la biopsia, 活检日期, 肝活检日期, "
        "穿刺日期, 病理日期"
    ),
    "video_date": (
        "date of video, examined, examination date, date of examination, exam date, study date, scan date, "
        "date of scan, ultrasound date, date of ultrasound, acquisition date, untersuchungsdatum, "
        "datum der untersuchung, aufnahmedatum, date d'examen, date de l'examen, date de l'échographie, "
        "fecha del examen, fecha de ecografía, fecha de la ecografía, 检查日期, 超声日期, 扫描日期, 検査日"
    ),
    "days_from_biopsy": (
        "days since biopsy, days after biopsy, biopsy to video, biopsy interval, tage nach biopsie, "
        "abstand zur biopsie, délai biopsie, días desde la biopsia, 距活检天数"
    ),
    "visit": (
        "visit number, visit no, time point, timepoint, besuch, visite, visitennummer, numéro de visite, visita, "
        "número de visita, 访视, 访视号, 随访, 随访次数"
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

_IDENTIFYING_NAMES = (
    "name, surname, first name, last name, patient name, family name, given name, full name, initials, address, "
    "birth date, date of birth, birthday, dob, phone, phone number, telephone, email, mrn, medical record number, ssn, "
    "social security number, passport number, insurance number, nachname, vorname, geburtsdatum, adresse, anschrift, "
    "telefon, telefonnummer, versichertennummer, nom, prénom, date de naissance, téléphone, teléfono, apellido, "
    "apellidos, nombre, fecha de nacimiento, dirección, dni, nif, cognome, codice fiscale, data di nascita, "
    "фио, ф и о, имя, фамилия, отчество, дата рождения, адрес, телефон, снилс, паспорт, полис, номер истории болезни, "
    "прізвище, дата народження"
)
_IDENTIFYING_WORDS = (
    "姓名, 名字, 出生日期, 出生年月, 生日, 身份证, 身分證, 证件号, 護照, 护照, 住院号, 住院號, 门诊号, 門診號, "
    "病历号, 病歷號, 病案号, 就诊号, 就诊卡, 医保号, 医保卡, 社保号, 社保卡, 电话, 電話, 手机, 手機, 联系方式, "
    "住址, 地址, 氏名, 名前, 患者名, 生年月日, 住所, カルテ番号, 診察券, 保険証, マイナンバー, フリガナ, 이름, "
    "성명, 환자명, 생년월일, 주민등록번호, 주민번호, 주소, 전화, 휴대폰, 등록번호, 병록번호, 차트번호"
)
"""In scripts without spaces a word that identifies may stand anywhere in a name: 患者姓名, 联系电话."""

_UNITS = {
    "u", "ui", "iu", "ie", "l", "g", "nl", "μl", "ul", "kg", "m2", "kpa", "y", "yr", "yrs", "year", "years",
    "in", "jahre", "jahren", "ans", "anos", "岁", "歲",
}  # fmt: skip
_NUMBER = re.compile(r"x?\d+(e\d+)?")  # as in 10^9/L
_BRACKETED = re.compile(r"[(\[{【].*?[)\]}】]")
_WORD = re.compile(r"[a-z0-9]+|[^\W_a-z0-9]+")  # AST谷草转氨酶 is two

_MIN_LETTERS = 5  # shorter names are too alike to be taken for a typing error: AST, ALT, ALP

_STAGE_WORD = (
    r"(?:metavir(?:[\s-]*score)?|fibrosegrad|stade\s+de\s+fibrose|estadio\s+de\s+fibrosis|grado\s+de\s+fibrosis|fibrosis|"
    r"fibrose|stage|stadium|stade|estadio|肝?纤维化|分期|f|s)"
)
_ONE_STAGE = rf"(?:{_STAGE_WORD}(?:[\s_:=.]*|-))*([0-4])(?:\.0*)?\s*期?"
_STAGE = re.compile(rf"{_ONE_STAGE}(?:\s*[(\[]\s*{_ONE_STAGE}\s*[)\]])?")
"""A stage, with words that only say that it is one, and perhaps the same again in brackets: ``2 (F2)``."""


def _stage_number(text: str) -> int | None:
    """The stage that a text means without doubt: ``2``, ``2.0``, ``F2``, ``Stadium 2``, ``2 (F2)``; else None."""
    if re.fullmatch(r"[+-]?\d+(\.0*)?", text):
        return int(float(text))
    match = _STAGE.fullmatch(_unaccented(text))
    return int(match[1]) if match and match[2] in (None, match[1]) else None


def _unaccented(text: str) -> str:
    """Text without case, accents and typographic variants."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).casefold()


def _words(name: str) -> list[str]:
    """Words of a column's name, without what stands in brackets and without units, unless there is nothing else."""
    text = _unaccented(name)
    words = _WORD.findall(_BRACKETED.sub(" ", text)) or _WORD.findall(text)
    return [word for word in words if word not in _UNITS and not _NUMBER.fullmatch(word)] or words


def _folded(name: str) -> str:
    """A column's name without case, accents, spaces, punctuation and units: ``Âge (ans)`` is ``age``."""
    return "".join(_words(name))


_MEANING = {_folded(alias): column for column, aliases in _ALIASES.items() for alias in (column, *aliases.split(", "))}
_LONG_ALIASES = [alias for alias in _MEANING if len(alias) >= _MIN_LETTERS]
_TELLING = {_folded(name) for name in _IDENTIFYING_NAMES.split(", ")}
_TELLING_WORDS = [_folded(name) for name in _IDENTIFYING_WORDS.split(", ")]


def meant_column(name: str, present: Collection[str] = ()) -> str | None:
    """The column of the study that another name stands for, as ``GOT (U/l)`` for ``ast``; `IDENTIFYING`; or None.

    Names whose words all mean one column (``AST/GOT``) count, and typing errors for columns that are not `present`.
    """
    words = _words(name)
    joined = "".join(words)
    if joined in _TELLING or (joined not in _MEANING and any(word in joined for word in _TELLING_WORDS)):
        return IDENTIFYING
    meanings = {_MEANING.get(joined)} - {None} or {_MEANING.get(word) for word in words}
    if len(meanings) == 1 and None not in meanings:
        return meanings.pop()
    if len(joined) < _MIN_LETTERS:
        return None
    near = [alias for alias in _LONG_ALIASES if abs(len(alias) - len(joined)) <= 1]
    candidates = [alias for alias in near if _MEANING[alias] not in present]
    close = difflib.get_close_matches(joined, candidates, n=1, cutoff=0.8)
    return _MEANING[close[0]] if close else None
