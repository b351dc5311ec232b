from __future__ import annotations

from starlette.routing import Route, Router

from . import configuration, faults, keys, mint, state


def control_api() -> Router:
    routes = [
        Route("/tokens", mint.mint, methods=["POST"]),
        Route("/sign-ins", mint.sign_in, methods=["POST"]),
        Route("/clock", state.show_clock, methods=["GET"]),
        Route("/clock", state.move_clock, methods=["POST"]),
        Route("/clock", state.reset_clock, methods=["DELETE"]),
        Route("/reset", state.reset, methods=["POST"]),
        Route("/snapshots", state.take_snapshot, methods=["POST"]),
        Route("/snapshots/{snapshot}/restore", state.restore_snapshot, methods=["POST"]),
        Route("/keys", keys.list_keys, methods=["GET"]),
        Route("/keys/rotate", keys.rotate_keys, methods=["POST"]),
        Route("/keys/{kid}/revoke", keys.revoke_key, methods=["POST"]),
        Route("/keys/{kid}/withhold", keys.withhold_key, methods=["POST"]),
        Route("/faults", faults.list_faults, methods=["GET"]),
        Route("/faults", faults.add_fault, methods=["POST"]),
        Route("/faults", faults.clear_faults, methods=["DELETE"]),
        Route("/faults/{fault}", faults.remove_fault, methods=["DELETE"]),
        Route("/logs", state.show_log, methods=["GET"]),
        Route("/logs", state.clear_log, methods=["DELETE"]),
        Route("/requests", state.show_journal, methods=["GET"]),
        Route("/requests", state.clear_journal, methods=["DELETE"]),
        Route("/configuration", configuration.show_configuration, methods=["GET"]),
        Route("/configuration", configuration.patch_configuration, methods=["PATCH"]),
        Route("/presets", configuration.list_presets, methods=["GET"]),
        Route("/presets/{preset}", configuration.apply_preset, methods=["POST"]),
        Route("/client-grants", configuration.delete_client_grant, methods=["DELETE"]),
        Route("/clients/cimd", configuration.import_metadata_document, methods=["POST"]),
        *(
            Route(f"/{collection}/{{name:path}}", endpoint, methods=[method])
            for collection in configuration.COLLECTIONS
            for method, endpoint in (("PUT", configuration.put_entry), ("DELETE", configuration.delete_entry))
        ),
    ]
    return Router(routes)
