"""Who asks each operation of the REST interface in the contract tests."""

ROLES = ("platform_admin", "administrator", "scientist", "steward", "it", "neighbour", "outsider", "stranger", "token")

# Anyone who may do it: the administrator, but for these. Every request is theirs too, so that it comes to the action.
ABLE = {
    "GET /api/v1/model-versions/{version_id}/download/": "scientist",
    "POST /api/v1/model-versions/{version_id}/release/": "steward",
    "POST /api/v1/datasets/{dataset_id}/rows/": "steward",
    "POST /api/v1/jobs/": "scientist",
    "POST /api/v1/jobs/quote/": "scientist",
    "DELETE /api/v1/tokens/{token_id}/": "scientist",
    "POST /api/v1/role-offers/{offer_id}/accept/": "it",
    "POST /api/v1/role-offers/{offer_id}/decline/": "it",
    "POST /api/v1/consortium-role-offers/{offer_id}/accept/": "it",
    "POST /api/v1/consortium-role-offers/{offer_id}/decline/": "it",
    "POST /api/v1/organisations/": "platform_admin",
    "PATCH /api/v1/users/{user_id}/": "platform_admin",
    "POST /api/v1/users/{user_id}/welcome/": "platform_admin",
    "POST /api/v1/organisations/{organisation_id}/signatory-keys/": "steward",
    "POST /api/v1/agreements/versions/{agreement_version_id}/signatures/": "steward",
    "POST /api/v1/agreements/versions/{agreement_version_id}/suspend/": "steward",
    "POST /api/v1/agreements/versions/{agreement_version_id}/lift/": "steward",
    "POST /api/v1/plans/": "scientist",
    "POST /api/v1/plans/{plan_id}/propose/": "scientist",
    "POST /api/v1/plans/{plan_id}/reviews/": "steward",
    "POST /api/v1/invitations/{invitation_id}/accept/": "steward",
    "POST /api/v1/invitations/{invitation_id}/decline/": "steward",
    "POST /api/v1/consortia/{consortium_id}/participants/{organisation_id}/leave/": "neighbour",
}

# Bodies with hundreds of fields, each of which is tried with every kind of wrong value: one in eight will do.
LARGE = {
    "POST /api/v1/agreements/versions/",
    "POST /api/v1/agreements/versions/{agreement_version_id}/revisions/",
}
