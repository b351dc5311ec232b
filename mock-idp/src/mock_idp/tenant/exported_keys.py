"""Keys of a Deploy CLI export that the offline tenant accepts and ignores.

Taken from the parameters and answers of Auth0's own Management API client (auth0-python 6.8.0) and from the top
level of Auth0's Deploy CLI schema (8.44.0; `migrations` is of older versions). Other keys are accepted too, unless they
are nearly the name of a key that the tenant plays.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


SECTIONS = _names(
    """rules rulesConfigs hooks pages emailProvider emailTemplates guardianFactors guardianFactorProviders
    guardianFactorTemplates guardianPolicies guardianPhoneFactorMessageTypes guardianPhoneFactorSelectedProvider
    branding phoneProviders phoneTemplates prompts actionModules
    riskAssessment logStreams customDomains themes forms flows flowVaultConnections selfServiceProfiles networkACLs
    userAttributeProfiles connectionProfiles tokenExchangeProfiles supplementalSignals rateLimitPolicies eventStreams
    clientAuthCredentials clientAuthCredentialsPre connections exclude include migrations"""
)
TENANT = _names(
    """access_token acr_values_supported change_password country_codes
    customize_mfa_in_postlogin_action default_redirection_uri default_token_quota device_flow
    dpop_strict_refresh_token_binding enable_ai_guide enabled_locales ephemeral_session_lifetime
    ephemeral_session_lifetime_in_minutes error_page guardian_mfa_page idle_ephemeral_session_lifetime
    idle_ephemeral_session_lifetime_in_minutes idle_session_lifetime idle_session_lifetime_in_minutes
    include_session_metadata_in_tenant_logs legacy_sandbox_version mtls phone_consolidated_experience picture_url
    sandbox_version sandbox_versions_available security_headers
    session_cookie session_lifetime_in_minutes sessions support_email support_url universal_login"""
)
FLAGS = _names(
    """allow_changing_enable_sso allow_legacy_delegation_grant_types allow_legacy_ro_grant_types
    allow_legacy_tokeninfo_endpoint change_pwd_flow_v1 change_pwd_flow_v_1 custom_domains_provisioning
    dashboard_insights_view dashboard_log_streams_next disable_clickjack_protection_headers disable_fields_map_fix
    disable_impersonation disable_management_api_sms_obfuscation enable_adfs_waad_email_verification
    enable_apis_section enable_client_connections enable_custom_domain_in_emails
    enable_idtoken_api2 enable_idtoken_api_2 allow_other_legacy_grant_types enable_mgmt_api_v1
    include_email_in_reset_pwd_redirect include_email_in_verify_email_redirect require_signed_request_object
    enable_legacy_logs_search_v2 enable_legacy_profile enable_pipeline2
    enable_pipeline_2 enable_sso
    enforce_client_authentication_on_passwordless_start genai_trial improved_signup_bot_detection_in_classic
    local_resource_discovery mfa_show_factor_list_on_enrollment new_universal_login_experience_enabled
    no_disclose_enterprise_connections remove_alg_from_jwks
    trust_azure_adfs_email_verified_connection_property universal_login"""
)
RESOURCE_SERVER = _names(
    """access_token allow_online_access allow_online_access_with_ephemeral_sessions authorization_details
    authorization_policy client_id consent_policy id is_system require_consent_non_repudiation
    token_encryption token_lifetime_for_anonymous_access_tokens token_lifetime_for_web"""
)
CLIENT = _names(
    """addons allowed_clients anonymous_sessions async_approval_notification_channels
    b2b_integration_configuration b_2_b_integration_configuration client_aliases
    compliance_level created_at cross_origin_auth cross_origin_authentication cross_origin_loc
    custom_login_page custom_login_page_on custom_login_page_preview description encryption_key
    enforce_anon_session_transfer_network_binding express_configuration
    external_metadata_created_by external_metadata_status external_metadata_type fedcm_login form_template global
    identity_assertion_authorization_grant initiate_login_uri jwks_uri logo_uri
    mobile my_organization_configuration native_social_login oidc_backchannel_logout oidc_logout oidc_support
    organization_discovery_methods session_transfer
    signed_request_object signing_keys sso sso_disabled tenant
    token_quota token_vault_privileged_access updated_at oidc_conformant client_id
    client_secret"""
)
CLIENT_GRANT = _names("authorization_details_types id is_system")
DATABASE = _names(
    """authentication connected_accounts cross_app_access_requesting_app cross_app_access_resource_app display_name id
    metadata realms show_as_button"""
)
DATABASE_OPTIONS = _names(
    """attributes authentication_methods basic_profile configuration customScripts
    custom_password_hash email_ignore_mobile enable_script_context enabledDatabaseCustomization ext_groups ext_profile
    forward_req_info import_mode mfa non_persistent_attrs passkey_options precedence realm_fallback requires_username
    set_user_root_attributes strategy_version validation"""
)
ACTION = _names(
    """all_changes_deployed built_at created_at dependencies deployed_version id installed_integration_id integration
    modules runtime status supported_triggers updated_at"""
)
ORGANIZATION = _names("branding clients discovery_domains id is_app_entitlement_active token_quota")
ORGANIZATION_CONNECTION = _names(
    """connection_id is_signup_enabled organization_access_level organization_connection_name
    organization_member_access_level show_as_button"""
)
ROLE = _names("id owner_id type description")
ROLE_PERMISSION = _names("description resource_server_name")
