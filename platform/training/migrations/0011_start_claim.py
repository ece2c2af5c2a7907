"""Which worker makes a job's first model is claimed, so that no transaction is open meanwhile."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("training", "0010_steps_rule")]

    operations = [
        migrations.AddField(model_name="job", name="start_claimed_until", field=models.DateTimeField(null=True)),
    ]
