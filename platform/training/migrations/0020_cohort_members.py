from django.db import migrations, models
from django.db.models import deletion


class Migration(migrations.Migration):
    """The table and its constraint take new names; the rows stay as they are."""

    dependencies = [
        ("training", "0019_start_claims_and_kept_updates"),
    ]

    operations = [
        migrations.RenameModel(old_name="CohortSeat", new_name="CohortMember"),
        migrations.AlterField(
            model_name="cohortmember",
            name="job",
            field=models.ForeignKey(on_delete=deletion.CASCADE, related_name="cohort_members", to="training.job"),
        ),
        # An index takes a new name in place: to drop a unique constraint and add it again would build it from all rows.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE training_cohortmember RENAME CONSTRAINT seat_once_a_silo TO cohort_member_once_a_silo",
                    "ALTER TABLE training_cohortmember RENAME CONSTRAINT cohort_member_once_a_silo TO seat_once_a_silo",
                )
            ],
            state_operations=[
                migrations.RemoveConstraint(model_name="cohortmember", name="seat_once_a_silo"),
                migrations.AddConstraint(
                    model_name="cohortmember",
                    constraint=models.UniqueConstraint(fields=["job", "silo"], name="cohort_member_once_a_silo"),
                ),
            ],
        ),
    ]
