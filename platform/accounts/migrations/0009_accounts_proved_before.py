"""Which accounts count as their owner's from the start (docs/adr/0026).

Those that an identity provider has vouched for, and those that the platform's own people made and that have signed in.
Of an account that an organisation made, its administrator was shown the address for the first password: who holds it is
not known. It works on as it did, and is proved by the next password that is set by e-mail.
"""

from django.db import migrations

MARK = """
    UPDATE accounts_user SET proved_at = now()
    WHERE (home_id IS NULL AND last_login IS NOT NULL)
       OR id IN (SELECT user_id FROM socialaccount_socialaccount)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0008_proved_accounts_and_offers"),
        ("socialaccount", "0001_initial"),
    ]

    operations = [migrations.RunSQL(MARK, migrations.RunSQL.noop)]
