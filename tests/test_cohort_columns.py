"""Names of columns in seven languages: what each stands for, and what is like none."""

import pytest

from fibrolib.cohort.columns import ELF, OPTIONAL, REQUIRED, meant_column

NAMES = {
    "patient_id": ["Patient ID", "patientId", "Patientennummer", "患者编号", "Identifiant patient", "paciente", "ID"],
    "video": ["Video file", "Videodatei", "视频", "動画", "Dateipfad", "Vidéo", "archivo de vídeo", "vidoe"],
    "stage": [
        "Stage", "Stadium", "Fibrosegrad", "分期", "線維化ステージ", "섬유화 병기", "Stade de fibrose", "Estadio",
        "METAVIR F", "stagee",
    ],
    "image": ["Standbild", "图像", "静止画", "Image fixe", "imagen"],
    "age": [
        "Age", "Alter", "Alter (Jahre)", "Alter in Jahren", "年龄", "年龄（岁）", "年齢", "나이", "âge", "Edad (años)",
    ],
    "sex": ["Gender", "Geschlecht", "Geschlecht (m/w)", "性别", "성별", "Sexe", "Sexo", "M/F"],
    "bmi": ["Body-Mass-Index", "BMI (kg/m²)", "BMI kg/m²", "体重指数", "IMC"],
    "ast": [
        "GOT", "ASAT", "SGOT", "AST (U/l)", "GOT [U/L]", "ast_u_l", "AST/GOT",
        "谷草转氨酶", "谷草转氨酶AST", "TGO", "AST [UI/l]",
    ],
    "alt": ["GPT", "ALAT", "SGPT", "GPT U/L", "谷丙转氨酶(U/L)", "TGP", "Alanin-Aminotransferase"],
    "platelets": [
        "platelet", "PLT", "PLT (10⁹/L)", "platelets 10^9/L", "Thrombozyten", "Thrombocyten", "Blutplaettchen",
        "血小板", "血小板计数", "血小板数（万/μL）", "혈소판", "Plaquettes", "Plaquetas",
    ],
    "swe_kpa": ["SWE", "kPa", "LSM", "Steifigkeit", "Lebersteifigkeit kPa", "硬度", "Élasticité", "rigidez"],
    "centre": ["Center", "Site", "Zentrum", "Prüfzentrum", "中心", "Hôpital", "Hospital", "centro"],
    "scanner": ["Scanner", "Ultrasound machine", "Ultraschallgerät", "超声仪器", "Échographe", "ecógrafo", "Gerät"],
    "operator": ["Operator", "Sonographer", "Untersucher", "操作者", "Opérateur", "operador"],
    "aetiology": ["Etiology", "Ätiologie", "病因", "Étiologie", "etiología", "Grunderkrankung"],
    "steatosis": ["Steatosis grade", "Steatose", "脂肪变", "Stéatose", "esteatosis"],
    "biopsy_date": ["Date of biopsy", "Biopsiedatum", "活检日期", "Date de biopsie", "Fecha de biopsia"],
    "video_date": ["examined", "Exam date", "Untersuchungsdatum", "检查日期", "Date de l'examen", "fecha del examen"],
    "days_from_biopsy": ["Days since biopsy", "Tage nach Biopsie", "距活检天数", "délai biopsie"],
    "visit": ["Visit number", "Besuch", "访视", "Visite", "visita", "time point"],
    "elf": ["ELF", "ELF score", "Enhanced Liver Fibrosis"],
    "split": ["Partition", "数据集", "partición"],
    "roi": ["Mask", "Maske", "感兴趣区", "masque", "Máscara"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "column"), [(name, column) for column, names in NAMES.items() for name in names])
def test_names_that_hospitals_write(name, column):
    assert meant_column(name) == column


def test_every_column_means_itself_and_has_other_names():
    assert set(NAMES) == {*REQUIRED, *OPTIONAL, ELF}
    assert {meant_column(name) for name in NAMES} == set(NAMES)


@pytest.mark.parametrize(
    "name",
    [
        "GGT", "ALP", "AST/ALT", "AST_ULN", "LSM_IQR", "swe_kpa_iqr", "platelets_sd", "stage_date", "date",
        "note", "albumin", "CAP", "FIB-4", "Status", "Nr.", "", "_", "2021", "(  )",
    ],
)  # fmt: skip
def test_names_of_other_things(name):
    assert meant_column(name) is None


def test_a_slip_of_the_keyboard_is_none_where_the_column_is_there():
    assert meant_column("state") == "stage"
    assert meant_column("state", present=["stage"]) is None
    assert meant_column("Stadium", present=["stage"]) == "stage"  # another name all the same
