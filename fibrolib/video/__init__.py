"""Open video, DICOM and image files, find the sector, prepare clips."""

from fibrolib.video.clips import Clip, prepare_clip, prepare_image
from fibrolib.video.dicom_writing import write_dicom
from fibrolib.video.reading import Video, read_image, read_video
from fibrolib.video.sector import Sector, find_sector
from fibrolib.video.stills import is_still
from fibrolib.video.store import clip_digest, file_digest, load_clip, load_frames, prepare_cached, save_clip
from fibrolib.video.survey import VideoSurvey, survey_video
from fibrolib.video.writing import write_image, write_video

__all__ = [
    "Clip",
    "Sector",
    "Video",
    "VideoSurvey",
    "clip_digest",
    "file_digest",
    "find_sector",
    "is_still",
    "load_clip",
    "load_frames",
    "prepare_cached",
    "prepare_clip",
    "prepare_image",
    "read_image",
    "read_video",
    "save_clip",
    "survey_video",
    "write_dicom",
    "write_image",
    "write_video",
]
