"""Kinds of video streams: encoders of the wheel, and what they are told."""

from __future__ import annotations

X265 = "log-level=none:keyint=30:"
# Frames that no other refers to can be left out.
KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "plain": ("libx264", {"preset": "veryfast", "g": "30"}),
    "pyramid": (
        "libx264",
        {"preset": "medium", "bf": "8", "g": "40", "x264-params": "open-gop=1:b-pyramid=normal"},
    ),
    "strict pyramid": (
        "libx264",
        {"preset": "veryfast", "bf": "3", "g": "20", "x264-params": "b-pyramid=strict:b-adapt=0"},
    ),
    "slices": ("libx264", {"preset": "veryfast", "bf": "2", "x264-params": "slices=3"}),
    "refresh": ("libx264", {"preset": "veryfast", "x264-params": "intra-refresh=1:keyint=20"}),
    "hevc": ("libx265", {"preset": "superfast", "x265-params": X265 + "bframes=4"}),
    "open hevc": (
        "libx265",
        {"preset": "superfast", "x265-params": X265 + "open-gop=1:bframes=6:b-adapt=0"},
    ),
    "fields in hevc": ("libx265", {"preset": "superfast", "x265-params": X265 + "interlace=tff"}),
    "mpeg2": ("mpeg2video", {"bf": "2", "g": "15", "qscale": "4"}),
    "interlaced mpeg2": ("mpeg2video", {"bf": "2", "g": "15", "flags": "+ildct+ilme"}),
    "mpeg1": ("mpeg1video", {"bf": "2", "g": "15", "qscale": "4"}),
}
DECODED_WHOLE: dict[str, tuple[str, dict[str, str]]] = {
    "interlaced": ("libx264", {"preset": "veryfast", "bf": "3", "x264-params": "tff=1"}),
    "layers": ("libx265", {"preset": "superfast", "x265-params": X265 + "temporal-layers=3"}),
    "mpeg4": ("mpeg4", {"bf": "2", "g": "30", "qscale": "4"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "10"}),
}
# Streams with several key frames, of which all are decoded too.
MORE: dict[str, tuple[str, dict[str, str]]] = {
    "vp9 with key frames": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "20"}),
    "vp9 with hidden frames": (
        "libvpx-vp9",
        {"deadline": "good", "cpu-used": "5", "g": "30", "lag-in-frames": "16", "b:v": "50k"},
    ),
    "av1": ("libsvtav1", {"preset": "12", "g": "20", "svtav1-params": "lp=1"}),
    "mjpeg": ("mjpeg", {"strict": "unofficial"}),
    "ffv1": ("ffv1", {"g": "10"}),
}
