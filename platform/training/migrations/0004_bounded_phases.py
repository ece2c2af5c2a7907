"""Durations that no order can have taken, from before documents had bounds, are forgotten: pages failed on them."""

from django.db import migrations

FORGET = """
    UPDATE training_submission SET phases_s = '{}'
    WHERE EXISTS (SELECT FROM jsonb_each_text(phases_s) AS phase WHERE phase.value::float8 > 2678400)
"""


class Migration(migrations.Migration):
    dependencies = [("training", "0003_checkpoint_orders")]

    operations = [migrations.RunSQL(FORGET, migrations.RunSQL.noop)]
