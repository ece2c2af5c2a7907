"""German."""

DATE_FORMAT = "j. F Y"
TIME_FORMAT = "H:i:s"
DATETIME_FORMAT = "j. F Y, H:i:s"
SHORT_DATE_FORMAT = "d.m.Y"
SHORT_DATETIME_FORMAT = "d.m.Y, H:i:s"
