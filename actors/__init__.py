"""Speech workers and the manager that shares them out.

| room | what lives there |
|---|---|
| `messages`, `status`, `settings`, `errors`, `telephone`, `sentences`, `percentiles` | what every room uses |
| `leases`, `fleet`, `manager` | who may use a slot, which workers run where, the ResourceManager |
| `engines`, `workers` | speech models behind two base classes, and the workers around them |
| `pool`, `local`, `cluster` | what a gateway uses: the same pools in this process or on Ray |

Importing the package loads no model, no numpy and no Ray.
"""
