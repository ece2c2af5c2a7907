from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_home_of_a_user")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(blank=True, default="", help_text="Empty: as the browser asks.", max_length=10),
        ),
        migrations.AddField(
            model_name="user",
            name="time_zone",
            field=models.CharField(blank=True, default="", help_text="Empty: as the settings say.", max_length=64),
        ),
    ]
