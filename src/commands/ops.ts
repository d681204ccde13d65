/** What an operator needs beside the program, out of the program itself, so that it fits its version. Knows no settings. */
import alerts from "./ops/alerts.yaml" with { type: "text" }
import { grafanaDashboard } from "./ops/grafana.ts"
import haproxy from "./ops/haproxy.cfg" with { type: "text" }
import install from "./ops/install.sh" with { type: "text" }
import kubernetes from "./ops/kubernetes.yaml" with { type: "text" }
import dockerfile from "./ops/xrx-stt.dockerfile" with { type: "text" }
import systemd from "./ops/xrx-stt.service" with { type: "text" }

export const OPS = {
  grafana: { meaning: "a dashboard for Grafana, as JSON", text: grafanaDashboard },
  alerts: { meaning: "alert rules for Prometheus", text: () => alerts },
  systemd: { meaning: "a hardened systemd unit", text: () => systemd },
  install: { meaning: "a script that installs a release with its systemd unit, and upgrades it", text: () => install },
  dockerfile: { meaning: "a Dockerfile of a release, without a shell in the image", text: () => dockerfile },
  kubernetes: { meaning: "Deployment, Service, PodDisruptionBudget and HorizontalPodAutoscaler", text: () => kubernetes },
  haproxy: { meaning: "a configuration of HAProxy for several machines", text: () => haproxy },
} as const satisfies Record<string, { meaning: string; text: () => string }>
