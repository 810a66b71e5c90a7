_LISTENER_COMPLETE=fish_source listener | source
