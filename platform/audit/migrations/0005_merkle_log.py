"""A Merkle tree over each chain: built for the links that there are, in blocks, and kept by the sequencer from now on.

Jobs that have events already stay without numbers for them. What silos have countersigned so far is what they keep.
"""

from collections.abc import Iterator
from typing import Any

from django.db import migrations, models

from federation.protocol.merkle import Frontier

BLOCK = 5000
FORBID = """
CREATE TRIGGER audit_treenode_no_change BEFORE UPDATE OR DELETE ON audit_treenode
    FOR EACH ROW EXECUTE FUNCTION audit_event_is_append_only();
CREATE TRIGGER audit_treenode_no_truncate BEFORE TRUNCATE ON audit_treenode
    FOR EACH STATEMENT EXECUTE FUNCTION audit_event_is_append_only();
"""
ALLOW = """
DROP TRIGGER audit_treenode_no_truncate ON audit_treenode;
DROP TRIGGER audit_treenode_no_change ON audit_treenode;
"""
KEPT = """
INSERT INTO audit_jobevents (job_id) SELECT DISTINCT job_id FROM audit_event WHERE job_id IS NOT NULL;
INSERT INTO audit_silohead (chain, silo_id, position, digest, at)
    SELECT DISTINCT ON (head.chain, signed.silo_id) head.chain, signed.silo_id, head.position, link.digest, signed.at
    FROM audit_countersignature AS signed
    JOIN audit_checkpoint AS head ON head.id = signed.checkpoint_id
    JOIN audit_link AS link ON link.chain = head.chain AND link.position = head.position
    ORDER BY head.chain, signed.silo_id, head.position DESC;
"""


def build(apps: Any, _: Any) -> None:
    """The nodes of every chain's tree, and its right edge."""
    node, head, link = (apps.get_model("audit", name) for name in ("TreeNode", "Head", "Link"))
    for chain in head.objects.order_by("chain").values_list("chain", flat=True):
        frontier = Frontier()
        for digests in _blocks(link, chain):
            made = [
                node(chain=chain, level=level, index=index, hash=digest)
                for leaf in digests
                for (level, index), digest in frontier.append(bytes(leaf))
            ]
            node.objects.bulk_create(made, batch_size=BLOCK)
        head.objects.filter(chain=chain, position=frontier.size).update(peaks=frontier.packed)


def _blocks(link: Any, chain: str) -> Iterator[list[bytes]]:
    last = 0
    while True:
        rows = link.objects.filter(chain=chain, position__gt=last).order_by("position")
        digests = list(rows.values_list("digest", flat=True)[:BLOCK])
        if not digests:
            return
        yield digests
        last += len(digests)


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_chains")]

    operations = [
        migrations.CreateModel(
            name="JobEvents",
            fields=[
                ("job_id", models.UUIDField(primary_key=True, serialize=False)),
                ("count", models.BigIntegerField(null=True)),
                ("digest", models.BinaryField(max_length=32, null=True)),
            ],
        ),
        migrations.AddField(
            model_name="checkpoint",
            name="root",
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.RemoveConstraint(model_name="checkpoint", name="audit_checkpoint_once"),
        migrations.AddConstraint(
            model_name="checkpoint",
            constraint=models.UniqueConstraint(
                fields=("chain", "position", "root"), name="audit_checkpoint_once", nulls_distinct=False
            ),
        ),
        migrations.AddField(
            model_name="head",
            name="peaks",
            field=models.BinaryField(default=b""),
        ),
        migrations.CreateModel(
            name="SiloHead",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("chain", models.CharField(max_length=50)),
                ("silo_id", models.UUIDField()),
                ("position", models.BigIntegerField()),
                ("digest", models.BinaryField(max_length=32)),
                ("root", models.BinaryField(max_length=32, null=True)),
                ("at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("chain", "silo_id"), name="audit_silohead_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="TreeNode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("chain", models.CharField(max_length=50)),
                ("level", models.SmallIntegerField()),
                ("index", models.BigIntegerField()),
                ("hash", models.BinaryField(max_length=32)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("chain", "level", "index"), include=("hash",), name="audit_treenode_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("index__gte", 0), ("level__gte", 1)), name="audit_treenode_no_leaf"
                    ),
                ],
            },
        ),
        migrations.RunPython(build, migrations.RunPython.noop),
        migrations.RunSQL(FORBID, ALLOW),
        migrations.RunSQL(KEPT, migrations.RunSQL.noop),
    ]
