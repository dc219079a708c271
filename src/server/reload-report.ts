/** Outcome of a reload. */
export interface ReloadReport {
  /** Paths of the settings that have changed, and of those whose files have changed. */
  readonly changed: readonly string[];
  /** Paths of the settings whose new values need a restart. */
  readonly restart: readonly string[];
}
