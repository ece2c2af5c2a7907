from django.db import migrations, models


class Migration(migrations.Migration):
    """Kinds of order have no list in the database. The columns stay as they are: PostgreSQL has nothing to do."""

    dependencies = [
        ("training", "0022_inputs_of_orders"),
    ]

    operations = [
        migrations.AlterField(
            model_name="order",
            name="kind",
            field=models.CharField(max_length=20),
        ),
        migrations.AlterField(
            model_name="step",
            name="kind",
            field=models.CharField(max_length=20),
        ),
    ]
