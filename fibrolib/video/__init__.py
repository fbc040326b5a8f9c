"""Open video, DICOM and image files, find the sector, prepare clips."""

from fibrolib.video.clips import (
    Clip,
    file_digest,
    load_clip,
    map_frames,
    prepare_cached,
    prepare_clip,
    prepare_image,
    save_clip,
)
from fibrolib.video.dicom import is_dicom
from fibrolib.video.masks import masks_of_frames, open_arrays
from fibrolib.video.quality import QUALITY_LIMITS, STEADY_LIMITS, clip_quality, quality_faults
from fibrolib.video.reading import Video, is_still, read_image, read_video
from fibrolib.video.sector import Sector, find_sector
from fibrolib.video.stills import pictures_in
from fibrolib.video.survey import Surveys, VideoSurvey, fingerprints, survey_video
from fibrolib.video.writing import write_dicom, write_image, write_video

__all__ = [
    "QUALITY_LIMITS",
    "STEADY_LIMITS",
    "Clip",
    "Sector",
    "Surveys",
    "Video",
    "VideoSurvey",
    "clip_quality",
    "file_digest",
    "find_sector",
    "fingerprints",
    "is_dicom",
    "is_still",
    "load_clip",
    "map_frames",
    "masks_of_frames",
    "open_arrays",
    "pictures_in",
    "prepare_cached",
    "prepare_clip",
    "prepare_image",
    "quality_faults",
    "read_image",
    "read_video",
    "save_clip",
    "survey_video",
    "write_dicom",
    "write_image",
    "write_video",
]
